package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig is a file that lets somebody talk to the API server with a certificate.
type kubeconfig struct {
	server      string
	authority   string // Path of the server's authority.
	certificate string // Path of the certificate; its key stands beside it.
	embedded    bool   // Whether the file holds the certificates themselves, for use elsewhere.
}

func (k kubeconfig) write(path string, mode os.FileMode) error {
	cluster := &api.Cluster{Server: k.server, CertificateAuthority: k.authority}
	who := &api.AuthInfo{ClientCertificate: k.certificate + ".crt", ClientKey: k.certificate + ".key"}
	content := api.Config{
		Clusters:       map[string]*api.Cluster{"default": cluster},
		AuthInfos:      map[string]*api.AuthInfo{"default": who},
		Contexts:       map[string]*api.Context{"default": {Cluster: "default", AuthInfo: "default"}},
		CurrentContext: "default",
	}
	if k.embedded {
		if err := api.FlattenConfig(&content); err != nil {
			return err
		}
	}
	written, err := clientcmd.Write(content)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, written, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// writeAdminKubeconfig writes the file that a person uses, with the mode and the group that the configuration wants.
func writeAdminKubeconfig(config *Config, folder pki, server string) error {
	mode, err := strconv.ParseUint(config.String("write-kubeconfig-mode"), 8, 32)
	if err != nil {
		return err
	}
	path := config.String("write-kubeconfig")
	admin := kubeconfig{server, folder.path("server-ca.crt"), folder.path("client-admin"), true}
	if err := admin.write(path, os.FileMode(mode)); err != nil {
		return err
	}
	name := config.String("write-kubeconfig-group")
	if name == "" {
		return nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, -1, id)
}

// clientFor reads a kubeconfig.
func clientFor(path string) (*rest.Config, kubernetes.Interface, error) {
	found, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, nil, err
	}
	found.QPS, found.Burst = 50, 100
	client, err := kubernetes.NewForConfig(found)
	return found, client, err
}
