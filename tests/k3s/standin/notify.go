package main

import (
	"net"
	"os"
	"strings"
)

const notifyVariable = "NOTIFY_SOCKET"

// notifier tells systemd that the service is up (sd_notify(3)).
type notifier string

// takeNotifier takes the socket out of the environment: the API server would say READY for us, far too early.
func takeNotifier() notifier {
	address := os.Getenv(notifyVariable)
	_ = os.Unsetenv(notifyVariable)
	return notifier(address)
}

func (n notifier) ready() {
	if n == "" {
		return
	}
	address := string(n)
	if strings.HasPrefix(address, "@") { // An abstract socket.
		address = "\x00" + address[1:]
	}
	connection, err := net.Dial("unixgram", address)
	if err != nil {
		logf("warning", "cannot notify systemd: %v", err)
		return
	}
	defer func() { _ = connection.Close() }()
	_, _ = connection.Write([]byte("READY=1\n"))
}
