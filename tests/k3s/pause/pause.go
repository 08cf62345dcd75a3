// Command pause is the first process of a pod: it keeps the pod's namespaces, and buries the processes that lose their parent.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for one := range signals {
		if one != syscall.SIGCHLD {
			return
		}
		for {
			if dead, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); dead <= 0 || err != nil {
				break
			}
		}
	}
}
