// The log server of Trillian and its sequencer in one process, in memory: what a Rekor of version 1 keeps its entries in.
//
// It listens on a free port of the loopback interface, prints HOST:PORT, and ends when its standard input does.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/extension"
	trillianlog "github.com/google/trillian/log"
	"github.com/google/trillian/quota"
	"github.com/google/trillian/server"
	"github.com/google/trillian/server/admin"
	"github.com/google/trillian/server/interceptor"
	"github.com/google/trillian/storage/memory"
	"github.com/google/trillian/util/clock"
	"github.com/google/trillian/util/election2"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
)

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	trees := memory.NewTreeStorage()
	registry := extension.Registry{
		AdminStorage:    memory.NewAdminStorage(trees),
		LogStorage:      memory.NewLogStorage(trees, nil),
		QuotaManager:    quota.Noop(),
		ElectionFactory: election2.NoopFactory{},
	}
	services := grpc.NewServer(grpc.UnaryInterceptor(interceptor.ErrorWrapper))
	trillian.RegisterTrillianAdminServer(services, admin.New(registry, nil))
	trillian.RegisterTrillianLogServer(services, server.NewTrillianLogRPCServer(registry, clock.System))
	sequencing := trillianlog.OperationInfo{
		Registry:    registry,
		BatchSize:   50,
		NumWorkers:  1,
		RunInterval: 50 * time.Millisecond,
		TimeSource:  clock.System,
	}
	sequencer := trillianlog.NewOperationManager(sequencing, trillianlog.NewSequencerManager(registry, 0))
	go sequencer.OperationLoop(context.Background())

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(services.Serve(listener))
}
