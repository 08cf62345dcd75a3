package main

import (
	"net"
	"os"

	netutils "k8s.io/utils/net"
)

const authProxy = "system:auth-proxy"

// prepareServer writes the certificates, kubeconfigs and token files of a server, and gives the supervisor its client.
func prepareServer(config *Config, folder pki, address string, front *supervisor) error {
	if err := issueCertificates(config, folder, address); err != nil {
		return err
	}
	server := localURL(config)
	for _, name := range []string{"controller", "scheduler"} {
		own := kubeconfig{server, folder.path("server-ca.crt"), folder.path("client-" + name), false}
		if err := own.write(config.path("server", "cred", name+".kubeconfig"), 0o600); err != nil {
			return err
		}
	}
	if err := writeAdminKubeconfig(config, folder, server); err != nil {
		return err
	}
	var err error
	if _, front.client, err = clientFor(config.String("write-kubeconfig")); err != nil {
		return err
	}
	return writeTokens(config, folder, front)
}

func issueCertificates(config *Config, folder pki, address string) error {
	service, err := serviceAddress(config, 1)
	if err != nil {
		return err
	}
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1"}
	names = append(names, "kubernetes.default.svc."+config.String("cluster-domain"), service, address, nodeName(config))
	names = append(names, config.List("node-ip")...)
	wishes := map[string]map[string]wish{
		"server-ca": {
			"serving-kube-apiserver": {user: "kube-apiserver", names: append(names, config.List("tls-san")...)},
		},
		"client-ca": {
			"client-admin":          {user: "system:admin", groups: []string{"system:masters"}},
			"client-kube-apiserver": {user: "system:apiserver", groups: []string{"system:masters"}},
			"client-controller":     {user: "system:kube-controller-manager"},
			"client-scheduler":      {user: "system:kube-scheduler"},
		},
		"request-header-ca": {"client-auth-proxy": {user: authProxy}},
	}
	for name, certificates := range wishes {
		by, err := folder.authority(name)
		if err != nil {
			return err
		}
		for certificate, what := range certificates {
			if err := folder.issue(by, certificate, what); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTokens writes server/token, and node-token beside it, from which a user takes the token for other nodes.
func writeTokens(config *Config, folder pki, front *supervisor) error {
	ca, err := os.ReadFile(folder.path("server-ca.crt"))
	if err != nil {
		return err
	}
	written := map[string]string{"token": secureToken(ca, "server:"+front.serverPass)}
	if front.nodePass != front.serverPass {
		written["agent-token"] = secureToken(ca, "node:"+front.nodePass)
	}
	for name, content := range written {
		if err := os.WriteFile(config.path("server", name), []byte(content+"\n"), 0o600); err != nil {
			return err
		}
	}
	link := config.path("server", "node-token")
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	return os.Symlink(config.path("server", "token"), link)
}

func serviceAddress(config *Config, index int) (string, error) {
	_, network, err := net.ParseCIDR(config.List("service-cidr")[0])
	if err != nil {
		return "", err
	}
	address, err := netutils.GetIndexedIP(network, index)
	return address.String(), err
}
