// Unpacks images with the code of containerd (pkg/archive), in both ways in which containerd uses it.
//
// "native" applies all layers to one directory, as its snapshotters do that are no overlay. "overlay" applies each layer
// to a directory of its own, and leaves the rest to the kernel, as its default does. No right of root is needed: owners
// are not set, and a file stands for the attribute that makes a directory opaque.
//
// Standard input holds images: the number of layers in eight bytes, big-endian, and each layer's tar stream behind its
// length in eight bytes. For each image one line of JSON says what was unpacked.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/log"
)

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// Node is one path below a root; `Path` and `Text`, a file's content or a link's target, are hexadecimal.
type Node struct {
	Path string `json:"path"`
	Type string `json:"type"`
	Mode uint32 `json:"mode"`
	Text string `json:"text"`
}

// Unpacked is what became of an image: one tree for "native", one for each layer for "overlay".
type Unpacked struct {
	Trees [][]Node `json:"trees"`
	Error string   `json:"error"`
}

// forOverlay does what archive.OverlayConvertWhiteout does.
func forOverlay(header *tar.Header, path string) (bool, error) {
	directory, base := filepath.Split(path)
	if base == opaque {
		file, err := os.Create(path)
		if err != nil {
			return false, err
		}
		return false, file.Close()
	}
	if name, found := strings.CutPrefix(base, whiteout); found {
		return false, syscall.Mknod(filepath.Join(directory, name), syscall.S_IFCHR, 0)
	}
	return true, nil
}

func native(layers [][]byte) Unpacked {
	root, err := os.MkdirTemp("", "native-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	for _, layer := range layers {
		if err := apply(root, layer); err != nil {
			return Unpacked{Error: strings.ReplaceAll(err.Error(), root, "")}
		}
	}
	return Unpacked{Trees: [][]Node{tree(root)}}
}

func overlay(layers [][]byte) Unpacked {
	work, err := os.MkdirTemp("", "overlay-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(work)
	var unpacked Unpacked
	var parents []string
	for _, layer := range layers {
		root, err := os.MkdirTemp(work, "layer-")
		if err != nil {
			panic(err)
		}
		if err := apply(root, layer, archive.WithConvertWhiteout(forOverlay), archive.WithParents(parents)); err != nil {
			return Unpacked{Error: strings.ReplaceAll(err.Error(), root, "")}
		}
		parents = append([]string{root}, parents...)
		unpacked.Trees = append(unpacked.Trees, tree(root))
	}
	return unpacked
}

func apply(root string, layer []byte, options ...archive.ApplyOpt) error {
	options = append(options, archive.WithNoSameOwner())
	_, err := archive.Apply(context.Background(), root, bytes.NewReader(layer), options...)
	return err
}

func tree(root string) []Node {
	nodes := []Node{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		information, err := entry.Info()
		if err != nil {
			return err
		}
		stat := information.Sys().(*syscall.Stat_t)
		node := Node{Path: hex.EncodeToString([]byte(path[len(root)+1:])), Mode: stat.Mode & 0o7777}
		var text []byte
		switch stat.Mode & syscall.S_IFMT {
		case syscall.S_IFREG:
			node.Type = "file"
			text, err = os.ReadFile(path)
		case syscall.S_IFDIR:
			node.Type = "directory"
		case syscall.S_IFLNK:
			var target string
			node.Type = "symlink"
			target, err = os.Readlink(path)
			text = []byte(target)
		case syscall.S_IFIFO:
			node.Type = "fifo"
		case syscall.S_IFCHR:
			node.Type = "whiteout"
		}
		if filepath.Base(path) == opaque {
			node.Type = "opaque"
		}
		node.Text = hex.EncodeToString(text)
		nodes = append(nodes, node)
		return err
	})
	if err != nil {
		panic(err)
	}
	return nodes
}

func main() {
	if err := log.SetLevel("error"); err != nil {
		panic(err)
	}
	syscall.Umask(0)
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var count uint64
		if err := binary.Read(input, binary.BigEndian, &count); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		layers := make([][]byte, count)
		for number := range layers {
			var size uint64
			if err := binary.Read(input, binary.BigEndian, &size); err != nil {
				panic(err)
			}
			layers[number] = make([]byte, size)
			if _, err := io.ReadFull(input, layers[number]); err != nil {
				panic(err)
			}
		}
		if err := output.Encode(map[string]Unpacked{"native": native(layers), "overlay": overlay(layers)}); err != nil {
			panic(err)
		}
	}
}
