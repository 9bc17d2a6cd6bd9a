// A certificate transparency log: TesseraCT as a library, its tiles in a folder, without the index against spam.
//
// Its own program for folders (v0.1.2) needs a version of Tessera that is not published. This one listens on a free port
// of the loopback interface, prints HOST:PORT, and ends when its standard input does.
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	tiles "github.com/transparency-dev/tessera/storage/posix"
	"github.com/transparency-dev/tesseract"
	"github.com/transparency-dev/tesseract/storage"
	"github.com/transparency-dev/tesseract/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	folder := flag.String("folder", "", "where the log lies")
	keyFile := flag.String("key", "", "PEM file of the log's key: EC PRIVATE KEY")
	roots := flag.String("roots", "", "PEM file of the authorities whose certificates are taken")
	flag.Parse()
	handler, err := logHandler(context.Background(), *folder, *keyFile, *roots)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, handler))
}

func logHandler(ctx context.Context, folder, keyFile, roots string) (http.Handler, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("no PEM in %s", keyFile)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	backup, err := posix.NewRootsStorage(ctx, folder)
	if err != nil {
		return nil, err
	}
	validation := tesseract.ChainValidationConfig{
		RootsPEMFile:           roots,
		RootsRemoteFetchBackup: backup,
		ExtKeyUsages:           "CodeSigning",
	}
	open := func(ctx context.Context, signer note.Signer) (*storage.CTStorage, error) {
		return openStorage(ctx, folder, signer)
	}
	limits := tesseract.LogHandlerOpts{MaxCertChainBytes: 512 << 10}
	return tesseract.NewLogHandler(ctx, "ct.test", key, validation, open, 10*time.Second, false, "", limits)
}

func openStorage(ctx context.Context, folder string, signer note.Signer) (*storage.CTStorage, error) {
	driver, err := tiles.New(ctx, tiles.Config{Path: folder})
	if err != nil {
		return nil, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCTLayout().
		WithAntispam(256, nil).
		WithCheckpointInterval(200*time.Millisecond).
		WithBatching(256, 20*time.Millisecond)
	appender, _, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return nil, err
	}
	issuers, err := posix.NewIssuerStorage(ctx, folder)
	if err != nil {
		return nil, err
	}
	return storage.NewCTStorage(ctx, &storage.CTStorageOptions{
		Appender:            appender,
		Reader:              reader,
		IssuerStorage:       issuers,
		EnablePubAwaiter:    true,
		AwaiterPollInterval: 20 * time.Millisecond,
	})
}
