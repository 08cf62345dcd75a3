package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const loopMajor = 7

// fitContainer has there be what a kubelet asks of a machine and a container lacks. A machine has all of it already.
func fitContainer() error {
	if _, err := os.Lstat("/dev/kmsg"); errors.Is(err, fs.ErrNotExist) {
		if err := os.Symlink("/dev/null", "/dev/kmsg"); err != nil {
			return err
		}
	}
	if err := makeRootDevice(); err != nil {
		return err
	}
	for _, name := range []string{"ipv4/ip_forward", "bridge/bridge-nf-call-iptables"} {
		err := os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeRootDevice makes the loop device that the root file system is said to be on: cAdvisor looks at it.
func makeRootDevice() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		words := strings.Fields(line)
		var minor int
		if len(words) < 2 || words[1] != "/" {
			continue
		}
		if n, _ := fmt.Sscanf(words[0], "/dev/loop%d", &minor); n != 1 {
			continue
		}
		err := syscall.Mknod(words[0], syscall.S_IFBLK|0o600, loopMajor<<8|minor)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
