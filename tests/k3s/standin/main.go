// Command k3s is a stand-in for K3s's binary in tests: real upstream Kubernetes in one process, behind K3s's own
// command line, files and tokens. docs/k3s-standin.md says what it shows and what it cannot show.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"k8s.io/component-base/cli"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// version is set by the linker, with the version that the Kubernetes in here says of itself.
var version = "v0.0.0+k3s0-standin"

const usage = `k3s stand-in for tests: upstream Kubernetes behind K3s's command line

  k3s server|agent [--config FILE] [--key value …]
  k3s kubectl|ctr|crictl …
  k3s token create|list|delete
  k3s etcd-snapshot save|ls [--name NAME]
  k3s --version
`

func main() {
	// Two components apply the same logging settings; the second has nothing to change.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	arguments := os.Args[1:]
	if name := filepath.Base(os.Args[0]); name == "kubectl" || name == "ctr" || name == "crictl" {
		arguments = append([]string{name}, arguments...)
	}
	if len(arguments) == 0 {
		arguments = []string{"help"}
	}
	if err := dispatch(arguments[0], arguments[1:]); err != nil {
		fatal(err)
	}
}

func dispatch(verb string, arguments []string) error {
	switch verb {
	case "server", "agent":
		return serve(verb, arguments)
	case "kubectl":
		return kubectl(arguments)
	case "ctr":
		return become("ctr", append([]string{"--address", containerdSocket, "--namespace", "k8s.io"}, arguments...))
	case "crictl":
		return become("crictl", append([]string{"--runtime-endpoint", "unix://" + containerdSocket}, arguments...))
	case "token":
		return tokenCommand(arguments)
	case "--version", "-v":
		fmt.Printf("k3s version %s (stand-in)\ngo version %s\n", version, runtime.Version())
		return nil
	case "help", "--help", "-h":
		fmt.Print(usage)
		return nil
	case "etcd-snapshot":
		return snapshotCommand(arguments)
	case "certificate", "secrets-encrypt", "check-config", "completion":
		return notHere("k3s " + verb)
	}
	return fmt.Errorf("no such command: %s\n%s", verb, usage)
}

// serve runs a server or an agent until a signal, or until a part of it fails.
func serve(verb string, arguments []string) error {
	notifier := takeNotifier()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := readConfig(verb, arguments, os.Getenv)
	if err != nil {
		return err
	}
	logf("info", "Starting k3s %s (stand-in)", version)
	if config.Bool("cluster-reset") {
		return resetCluster(ctx, config)
	}
	start := runAgent
	if verb == "server" {
		start = runServer
	}
	if err := start(ctx, config); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	logf("info", "k3s %sis up and running", map[string]string{"agent": "agent "}[verb])
	notifier.ready()
	<-ctx.Done()
	return nil
}

func kubectl(arguments []string) error {
	if os.Getenv("KUBECONFIG") == "" {
		if err := os.Setenv("KUBECONFIG", defaultKubeconfig); err != nil {
			return err
		}
	}
	os.Args = append([]string{"kubectl"}, arguments...)
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return nil
}

// become replaces this process by another program, which the node has from its distribution.
func become(program string, arguments []string) error {
	path := distributions(program)
	if path == "" {
		return notHere("k3s " + program + " where the node has no " + program)
	}
	return syscall.Exec(path, append([]string{program}, arguments...), os.Environ())
}

// distributions is where a program is that is not a link to us, as K3s's installer makes them; "" where there is none.
func distributions(program string) string {
	ours, _ := os.Executable()
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(folder, program))
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil && real != ours {
			return path
		}
	}
	return ""
}

func notHere(what string) error {
	return fmt.Errorf("%s: not in the stand-in", what)
}
