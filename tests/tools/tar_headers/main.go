// Lists tar archives as Go's archive/tar reads them, which is what container engines unpack layers with.
//
// Standard input holds archives, each behind its length in eight bytes, big-endian. For each, one line of JSON says what
// was read, and the error that ended it, if any. With the argument "write", the line holds the same entries as Go writes
// them, an archive for each format that can hold them.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

// Member is one entry; bytes that JSON cannot hold stand as hexadecimal digits.
type Member struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Size    int64    `json:"size"`
	Mode    int64    `json:"mode"`
	User    int      `json:"user"`
	Group   int      `json:"group"`
	Time    int64    `json:"time"`
	Link    string   `json:"link"`
	Device  [2]int64 `json:"device"`
	Content string   `json:"content"`
}

// Listing is what became of one archive.
type Listing struct {
	Members []Member `json:"members"`
	Error   string   `json:"error"`
}

// What is hashed of a content at most: a sparse file may claim any length.
const longest = 64 << 20

func list(archive []byte) Listing {
	listing := Listing{Members: []Member{}}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return listing
		}
		content := sha256.New()
		if err == nil {
			_, err = io.Copy(content, io.LimitReader(reader, longest))
		}
		if err != nil {
			listing.Error = err.Error()
			return listing
		}
		listing.Members = append(listing.Members, Member{
			Name:    hex.EncodeToString([]byte(header.Name)),
			Type:    hex.EncodeToString([]byte{header.Typeflag}),
			Size:    header.Size,
			Mode:    header.Mode,
			User:    header.Uid,
			Group:   header.Gid,
			Time:    header.ModTime.Unix(),
			Link:    hex.EncodeToString([]byte(header.Linkname)),
			Device:  [2]int64{header.Devmajor, header.Devminor},
			Content: hex.EncodeToString(content.Sum(nil)),
		})
	}
}

var formats = []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU}

func write(archive []byte) map[string][]byte {
	written := map[string][]byte{}
	for _, format := range formats {
		if copied, err := rewritten(archive, format); err == nil {
			written[format.String()] = copied
		}
	}
	return written
}

func rewritten(archive []byte, format tar.Format) ([]byte, error) {
	var output bytes.Buffer
	reader, writer := tar.NewReader(bytes.NewReader(archive)), tar.NewWriter(&output)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			err = writer.Close()
			return output.Bytes(), err
		} else if err != nil {
			return nil, err
		}
		header.Format = format
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.Copy(writer, reader); err != nil {
			return nil, err
		}
	}
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var size uint64
		if err := binary.Read(input, binary.BigEndian, &size); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		archive := make([]byte, size)
		if _, err := io.ReadFull(input, archive); err != nil {
			panic(err)
		}
		var answer any = list(archive)
		if len(os.Args) > 1 && os.Args[1] == "write" {
			answer = write(archive)
		}
		if err := output.Encode(answer); err != nil {
			panic(err)
		}
	}
}
