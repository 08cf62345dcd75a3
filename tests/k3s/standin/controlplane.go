package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/k3s-io/kine/pkg/endpoint"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	apiapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	cmapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	cmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	schedapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedoptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// The components' commands set up signal handlers of their own, and a second one panics. What is below their commands is
// exported too: options, which flags set, and Run.

// startAPIServer runs the API server, with the supervisor in front of it.
func startAPIServer(ctx context.Context, given arguments, front *supervisor) error {
	options := apioptions.NewServerRunOptions()
	if err := given.parse("kube-apiserver", options.Flags()); err != nil {
		return err
	}
	if err := options.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := options.Complete(ctx)
	if err != nil {
		return err
	}
	if problems := completed.Validate(); len(problems) > 0 {
		return utilerrors.NewAggregate(problems)
	}
	config, err := apiapp.NewConfig(completed)
	if err != nil {
		return err
	}
	whole, err := config.Complete()
	if err != nil {
		return err
	}
	chain, err := apiapp.CreateServerChain(whole)
	if err != nil {
		return err
	}
	handler := chain.GenericAPIServer.Handler
	handler.FullHandlerChain = front.before(handler.FullHandlerChain)
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	go runUntil(ctx, "kube-apiserver", func() error { return prepared.Run(ctx) })
	return nil
}

func apiServerArguments(config *Config, store endpoint.ETCDConfig, folder pki, address string) arguments {
	ours := map[string]string{
		"advertise-address":                  address,
		"allow-privileged":                   "true",
		"anonymous-auth":                     "false",
		"authorization-mode":                 "Node,RBAC",
		"client-ca-file":                     folder.path("client-ca.crt"),
		"enable-admission-plugins":           "NodeRestriction",
		"enable-bootstrap-token-auth":        "true",
		"etcd-servers":                       strings.Join(store.Endpoints, ","),
		"kubelet-certificate-authority":      folder.path("server-ca.crt"),
		"kubelet-client-certificate":         folder.path("client-kube-apiserver.crt"),
		"kubelet-client-key":                 folder.path("client-kube-apiserver.key"),
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"profiling":                          "false",
		"proxy-client-cert-file":             folder.path("client-auth-proxy.crt"),
		"proxy-client-key-file":              folder.path("client-auth-proxy.key"),
		"requestheader-allowed-names":        authProxy,
		"requestheader-client-ca-file":       folder.path("request-header-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"secure-port":                        config.String("https-listen-port"),
		"service-account-issuer":             "https://kubernetes.default.svc." + config.String("cluster-domain"),
		"service-account-key-file":           folder.path(serviceKey),
		"service-account-signing-key-file":   folder.path(serviceKey),
		"service-cluster-ip-range":           strings.Join(config.List("service-cidr"), ","),
		"service-node-port-range":            config.String("service-node-port-range"),
		"storage-backend":                    "etcd3",
		"tls-cert-file":                      folder.path("serving-kube-apiserver.crt"),
		"tls-private-key-file":               folder.path("serving-kube-apiserver.key"),
	}
	for name, value := range map[string]string{
		"etcd-cafile":   store.TLSConfig.CAFile,
		"etcd-certfile": store.TLSConfig.CertFile,
		"etcd-keyfile":  store.TLSConfig.KeyFile,
	} {
		if value != "" {
			ours[name] = value
		}
	}
	if strings.HasPrefix(store.Endpoints[0], "unix:") {
		ours["etcd-compaction-interval"] = "0" // kine compacts by itself, and refuses when it is asked to.
	}
	return newArguments(ours, config.List("kube-apiserver-arg"))
}

// controllerManager is made before any other component: its flags change a feature's default, which is too late once
// another component has made its flags.
type controllerManager struct {
	options *cmoptions.KubeControllerManagerOptions
}

func newControllerManager() (*controllerManager, error) {
	options, err := cmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, err
	}
	flags := options.Flags(cmapp.KnownControllers(), cmapp.ControllersDisabledByDefault(), cmapp.ControllerAliases())
	options.ParsedFlags = &flags
	return &controllerManager{options}, nil
}

func (m *controllerManager) start(ctx context.Context, config *Config, folder pki, elect bool) error {
	kubeconfig := config.path("server", "cred", "controller.kubeconfig")
	given := newArguments(map[string]string{
		"allocate-node-cidrs":              "true",
		"authentication-kubeconfig":        kubeconfig,
		"authorization-kubeconfig":         kubeconfig,
		"bind-address":                     "127.0.0.1",
		"cluster-cidr":                     strings.Join(config.List("cluster-cidr"), ","),
		"cluster-signing-cert-file":        folder.path("client-ca.crt"),
		"cluster-signing-key-file":         folder.path("client-ca.key"),
		"controllers":                      controllers,
		"kubeconfig":                       kubeconfig,
		"leader-elect":                     strconv.FormatBool(elect),
		"profiling":                        "false",
		"root-ca-file":                     folder.path("server-ca.crt"),
		"service-account-private-key-file": folder.path(serviceKey),
		"service-cluster-ip-range":         strings.Join(config.List("service-cidr"), ","),
		"use-service-account-credentials":  "true",
	}, config.List("kube-controller-manager-arg"))
	if err := given.parse("kube-controller-manager", *m.options.ParsedFlags); err != nil {
		return err
	}
	if err := m.options.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	known, disabled, aliases := cmapp.KnownControllers(), cmapp.ControllersDisabledByDefault(), cmapp.ControllerAliases()
	made, err := m.options.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	go runUntil(ctx, "kube-controller-manager", func() error { return cmapp.Run(ctx, made.Complete()) })
	return nil
}

// controllers are all, but for two that share a package's global state with the kubelet: losing that race ends the process.
const controllers = "*,tokencleaner,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller"

func startScheduler(ctx context.Context, config *Config, elect bool) error {
	kubeconfig := config.path("server", "cred", "scheduler.kubeconfig")
	options := schedoptions.NewOptions()
	given := newArguments(map[string]string{
		"authentication-kubeconfig": kubeconfig,
		"authorization-kubeconfig":  kubeconfig,
		"bind-address":              "127.0.0.1",
		"kubeconfig":                kubeconfig,
		"leader-elect":              strconv.FormatBool(elect),
		"profiling":                 "false",
	}, config.List("kube-scheduler-arg"))
	if err := given.parse("kube-scheduler", *options.Flags); err != nil {
		return err
	}
	if err := options.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	made, scheduler, err := schedapp.Setup(ctx, options)
	if err != nil {
		return err
	}
	go runUntil(ctx, "kube-scheduler", func() error { return schedapp.Run(ctx, made, scheduler) })
	return nil
}

// runUntil ends the process when a component ends although nobody has asked for it.
func runUntil(ctx context.Context, name string, run func() error) {
	if err := run(); ctx.Err() == nil {
		fatal(fmt.Errorf("%s exited: %w", name, orEnded(err)))
	}
}

func orEnded(err error) error {
	if err == nil {
		return fmt.Errorf("it ended by itself")
	}
	return err
}
