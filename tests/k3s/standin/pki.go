package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityYears   = 10
	certificateYears = 1
)

// authorityNames are the cluster's own authorities; every server of a cluster has the same ones.
var authorityNames = []string{"server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca"}

// serviceKey signs the tokens of service accounts.
const serviceKey = "service.key"

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	key         crypto.Signer
}

// pki is a folder of keys and certificates, named as K3s names them.
type pki string

func (p pki) path(name string) string { return filepath.Join(string(p), name) }

// newAuthorities makes the authorities of a new cluster: file name → content.
func newAuthorities() (map[string][]byte, error) {
	made := map[string][]byte{}
	for _, name := range authorityNames {
		key, keyPEM, err := newKey()
		if err != nil {
			return nil, err
		}
		template := newTemplate(fmt.Sprintf("k3s-%s@%d", name, time.Now().Unix()), authorityYears)
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		made[name+".key"], made[name+".crt"] = keyPEM, certificatePEM(der)
	}
	_, keyPEM, err := newKey()
	made[serviceKey] = keyPEM
	return made, err
}

// held is what the folder has of the authorities; nil unless it has all of them.
func (p pki) held() (map[string][]byte, error) {
	found := map[string][]byte{}
	names := []string{serviceKey}
	for _, name := range authorityNames {
		names = append(names, name+".key", name+".crt")
	}
	for _, name := range names {
		content, err := os.ReadFile(p.path(name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		found[name] = content
	}
	return found, nil
}

// authority reads one of the authorities.
func (p pki) authority(name string) (authority, error) {
	content, err := os.ReadFile(p.path(name + ".crt"))
	if err != nil {
		return authority{}, err
	}
	keyPEM, err := os.ReadFile(p.path(name + ".key"))
	if err != nil {
		return authority{}, err
	}
	certificates := parseCertificates(content)
	block, _ := pem.Decode(keyPEM)
	if len(certificates) == 0 || block == nil {
		return authority{}, fmt.Errorf("%s holds no authority", p.path(name))
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	return authority{certificates[0], content, key}, err
}

// wish is what a certificate is for.
type wish struct {
	user   string
	groups []string
	names  []string // DNS names and addresses; a certificate with some is a server's.
	both   bool     // A server's that is shown to other servers too.
}

// issue writes a new key and its certificate as name.key and name.crt.
func (p pki) issue(by authority, name string, what wish) error {
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	content, err := by.certify(key.Public(), what)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path(name+".key"), keyPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(p.path(name+".crt"), content, 0o644)
}

// sign answers a certificate request; what it asks for is decided here, not by the request.
func (a authority) sign(request []byte, what wish) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil {
		return nil, fmt.Errorf("no certificate request")
	}
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := asked.CheckSignature(); err != nil {
		return nil, err
	}
	return a.certify(asked.PublicKey, what)
}

func (a authority) certify(public crypto.PublicKey, what wish) ([]byte, error) {
	template := newTemplate(what.user, certificateYears)
	template.Subject.Organization = what.groups
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, name := range what.names {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if what.both {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, err
	}
	return append(certificatePEM(der), a.pem...), nil
}

func newTemplate(name string, years int) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	start := time.Now().Add(-time.Minute) // The clocks of two nodes differ.
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    start,
		NotAfter:     start.AddDate(years, 0, 0),
	}
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
