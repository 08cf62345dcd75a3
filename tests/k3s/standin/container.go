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
	if err := coverKernelSettings(); err != nil {
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

// kernelSettings are what a kubelet wants of the kernel, and would set. In a container they are the whole machine's.
var kernelSettings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// coverKernelSettings lays files with the wanted values over the kernel's own, in this node alone: the kubelet finds what it
// wants and changes nothing. Where the kernel's are writable, on a machine, it may set them.
func coverKernelSettings() error {
	for name, wanted := range kernelSettings {
		setting := "/proc/sys/" + name
		found, err := os.ReadFile(setting)
		if err != nil || strings.TrimSpace(string(found)) == wanted || syscall.Access(setting, 2) == nil {
			continue
		}
		cover := "/run/k3s/kernel/" + name
		if err := writeFile(cover, wanted+"\n"); err != nil {
			return err
		}
		if err := syscall.Mount(cover, setting, "", syscall.MS_BIND, ""); err != nil {
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
