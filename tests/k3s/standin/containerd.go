package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	containerdFolder  = "/run/k3s/containerd"
	containerdSocket  = containerdFolder + "/containerd.sock"
	containerdTimeout = 30 * time.Second
	// networkPlugins is where Debian has them; K3s brings its own.
	networkPlugins = "/usr/lib/cni"
)

// registries is K3s's registries.yaml, as far as the stand-in knows it; what else stands there is an error.
type registries struct {
	Mirrors map[string]struct {
		Endpoint []string `json:"endpoint"`
	} `json:"mirrors"`
	Configs map[string]struct {
		Auth *registryAuth `json:"auth"`
		TLS  *registryTLS  `json:"tls"`
	} `json:"configs"`
}

type registryAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identity_token"`
}

type registryTLS struct {
	CAFile             string `json:"ca_file"`
	CertFile           string `json:"cert_file"`
	KeyFile            string `json:"key_file"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify"`
}

// startContainerd runs the distribution's containerd as a child, with K3s's socket and folders, and waits until it answers.
func startContainerd(ctx context.Context, config *Config) error {
	known, err := readRegistries(config.String("private-registry"))
	if err != nil {
		return err
	}
	certs := config.path("agent", "etc", "containerd", "certs.d")
	if err := os.RemoveAll(certs); err != nil {
		return err
	}
	for host := range known.hosts() {
		path := filepath.Join(certs, strings.Replace(host, "*", "_default", 1), "hosts.toml")
		if err := writeFile(path, known.hostsFile(host)); err != nil {
			return err
		}
	}
	file := config.path("agent", "etc", "containerd", "config.toml")
	if err := writeFile(file, containerdConfig(config, certs, known)); err != nil {
		return err
	}
	if err := os.MkdirAll(containerdFolder, 0o711); err != nil {
		return err
	}
	if err := startChild(ctx, config.path("agent", "containerd", "containerd.log"), "containerd", "--config", file); err != nil {
		return err
	}
	logf("info", "Waiting for containerd startup")
	return awaitSocket(ctx, containerdSocket)
}

func readRegistries(path string) (registries, error) {
	var found registries
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	if err := yaml.UnmarshalStrict(content, &found); err != nil {
		return found, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// hosts are the registries that something is said of.
func (r registries) hosts() map[string]bool {
	found := map[string]bool{}
	for host := range r.Mirrors {
		found[host] = true
	}
	for host, config := range r.Configs {
		if config.TLS != nil {
			found[host] = true
		}
	}
	return found
}

// hostsFile is containerd's hosts.toml of one registry: its mirrors in their order, and at last the registry itself.
func (r registries) hostsFile(host string) string {
	var text strings.Builder
	if host != "*" {
		fmt.Fprintf(&text, "server = %q\n", "https://"+host)
		r.writeTLS(&text, host)
	}
	for _, endpoint := range r.Mirrors[host].Endpoint {
		address := endpoint
		if !strings.Contains(address, "://") {
			address = "https://" + address
		}
		fmt.Fprintf(&text, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", address)
		_, name, _ := strings.Cut(address, "://")
		r.writeTLS(&text, name)
	}
	return text.String()
}

func (r registries) writeTLS(text *strings.Builder, host string) {
	secured := r.Configs[host].TLS
	if secured == nil {
		return
	}
	if secured.InsecureSkipVerify {
		text.WriteString("  skip_verify = true\n")
	}
	if secured.CAFile != "" {
		fmt.Fprintf(text, "  ca = [%q]\n", secured.CAFile)
	}
	if secured.CertFile != "" {
		fmt.Fprintf(text, "  client = [[%q, %q]]\n", secured.CertFile, secured.KeyFile)
	}
}

// containerdConfig is for containerd 1.6, which Debian 12 has. With restrict_oom_score_adj runc can start inside a container.
func containerdConfig(config *Config, certs string, known registries) string {
	const criPlugin = `plugins."io.containerd.grpc.v1.cri"`
	var text strings.Builder
	fmt.Fprintf(&text, "version = 2\nroot = %q\nstate = %q\n", config.path("agent", "containerd"), containerdFolder)
	fmt.Fprintf(&text, "[grpc]\n  address = %q\n", containerdSocket)
	fmt.Fprintf(&text, "[%s]\n  sandbox_image = %q\n", criPlugin, config.String("pause-image"))
	text.WriteString("  disable_apparmor = true\n  restrict_oom_score_adj = true\n")
	fmt.Fprintf(&text, "[%s.cni]\n  bin_dir = %q\n  conf_dir = %q\n", criPlugin, networkPlugins, networkFolder(config))
	fmt.Fprintf(&text, "[%s.containerd]\n  snapshotter = %q\n", criPlugin, config.String("snapshotter"))
	fmt.Fprintf(&text, "[%s.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n", criPlugin)
	fmt.Fprintf(&text, "[%s.registry]\n  config_path = %q\n", criPlugin, certs)
	for host, one := range known.Configs {
		if one.Auth != nil {
			fmt.Fprintf(&text, "[%s.registry.configs.%q.auth]\n  username = %q\n  password = %q\n  auth = %q\n  identitytoken = %q\n",
				criPlugin, host, one.Auth.Username, one.Auth.Password, one.Auth.Auth, one.Auth.IdentityToken)
		}
	}
	return text.String()
}

// startChild runs a program that ends with us, however we end, and without which we end.
func startChild(ctx context.Context, log string, program string, parameters ...string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o711); err != nil {
		return err
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // The signal comes when the thread that started the child ends, so it must live on.
		child := exec.Command(program, parameters...)
		child.Stdout, child.Stderr = out, out
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		err := child.Start()
		started <- err
		if err == nil {
			runUntil(ctx, program, child.Wait)
		}
	}()
	return <-started
}

func awaitSocket(ctx context.Context, path string) error {
	end := time.Now().Add(containerdTimeout)
	for {
		connection, err := net.Dial("unix", path)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(end) {
			return err
		}
		if err := pause(ctx, pollInterval/2); err != nil {
			return err
		}
	}
}

func writeFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}
