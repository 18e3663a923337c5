// liveness tells over HTTP whether a CSI driver answers, with the options of the sidecar livenessprobe that the chart
// gives.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("csi-address", "/csi/csi.sock", "the driver's socket")
	endpoint := flag.String("http-endpoint", ":9808", "where to serve /healthz")
	timeout := flag.Duration("probe-timeout", time.Second, "how long the driver may take to answer")
	flag.Int("v", 0, "taken and not used")
	flag.Parse()

	connection, err := grpc.NewClient("unix://"+*address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"))
	if err != nil {
		log.Fatal(err)
	}
	identity := csi.NewIdentityClient(connection)
	http.HandleFunc("/healthz", func(response http.ResponseWriter, request *http.Request) {
		call, cancel := context.WithTimeout(request.Context(), *timeout)
		defer cancel()
		answer, err := identity.Probe(call, &csi.ProbeRequest{}, grpc.WaitForReady(true))
		switch {
		case err != nil:
			http.Error(response, err.Error(), http.StatusInternalServerError)
		case answer.GetReady() != nil && !answer.GetReady().GetValue():
			http.Error(response, "the driver is not ready", http.StatusInternalServerError)
		default:
			_, _ = response.Write([]byte("ok"))
		}
	})
	log.Fatal(http.ListenAndServe(*endpoint, nil))
}
