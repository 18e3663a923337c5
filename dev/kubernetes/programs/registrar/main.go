// registrar makes a CSI driver known to the kubelet, with the options of the sidecar csi-node-driver-registrar that
// the chart gives: the kubelet finds its socket, asks for the driver's name and socket, and tells how it went.
package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type server struct {
	registration.UnimplementedRegistrationServer
	info *registration.PluginInfo
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return s.info, nil
}

// NotifyRegistrationStatus ends the program when the kubelet refuses the driver: the kubelet asks again once the
// restarted program has made its socket anew.
func (s *server) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("the kubelet refuses %s: %s", s.info.Name, status.Error)
	}
	log.Printf("the kubelet knows %s", s.info.Name)
	return &registration.RegistrationStatusResponse{}, nil
}

// driverName asks until the driver answers: it may start later than this program.
func driverName(address string) (string, error) {
	connection, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	for {
		call, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		info, err := csi.NewIdentityClient(connection).GetPluginInfo(call, &csi.GetPluginInfoRequest{},
			grpc.WaitForReady(true))
		cancel()
		if err == nil {
			return info.GetName(), nil
		}
		log.Printf("%s: %v", address, err)
		time.Sleep(time.Second)
	}
}

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket, as this program sees it")
	endpoint := flag.String("kubelet-registration-path", "", "the driver's socket, as the kubelet sees it")
	directory := flag.String("plugin-registration-path", "/registration", "where the kubelet looks for sockets")
	flag.Int("v", 0, "taken and not used")
	flag.Parse()

	name, err := driverName(*address)
	if err != nil {
		log.Fatal(err)
	}
	socket := filepath.Join(*directory, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	registration.RegisterRegistrationServer(grpcServer, &server{info: &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              name,
		Endpoint:          *endpoint,
		SupportedVersions: []string{"1.0.0"},
	}})
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	// A listener that is closed removes its socket, from which the kubelet learns that the driver is gone.
	context.AfterFunc(stop, grpcServer.Stop)
	if err := grpcServer.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
