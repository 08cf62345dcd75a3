package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"
)

const tokenPrefix = "K10"

// bootstrapForm is kubeadm's form of a token, which `k3s token create` makes: id.secret.
var bootstrapForm = regexp.MustCompile(`^([a-z0-9]{6})\.([a-z0-9]{16})$`)

// token is a join token: user and password, or id and secret; caHash is "" in the short forms.
type token struct {
	caHash         string
	user, password string
	id, secret     string
}

// parseToken reads K10<hash>::user:password, K10<hash>::id.secret, id.secret and a bare password.
func parseToken(written string) (token, error) {
	if written == "" {
		return token{}, errors.New("token must not be empty")
	}
	var found token
	credentials := written
	if rest, full := strings.CutPrefix(written, tokenPrefix); full {
		hash, after, cut := strings.Cut(rest, "::")
		if !cut {
			return token{}, errors.New("invalid token format")
		}
		if len(hash) != hex.EncodedLen(sha256.Size) {
			return token{}, errors.New("invalid token CA hash length")
		}
		found.caHash, credentials = hash, after
	}
	if parts := bootstrapForm.FindStringSubmatch(credentials); parts != nil {
		found.id, found.secret = parts[1], parts[2]
		return found, nil
	}
	if found.caHash == "" {
		found.password = credentials
		return found, nil
	}
	user, password, cut := strings.Cut(credentials, ":")
	if !cut || password == "" {
		return token{}, errors.New("invalid token format")
	}
	found.user, found.password = user, password
	return found, nil
}

// passwordOf is what a server uses of the token it is given.
func passwordOf(written string) (string, error) {
	found, err := parseToken(written)
	if err != nil {
		return "", err
	}
	if found.password == "" {
		return "", errors.New("a server needs a server token, not one of `k3s token create`")
	}
	return found.password, nil
}

// secureToken is the form that also tells a node which cluster it may trust.
func secureToken(ca []byte, credentials string) string {
	return tokenPrefix + hashCA(ca) + "::" + credentials
}

// hashCA is K3s's hash of a cluster's CA file: of the file when it holds one certificate, else of its root.
func hashCA(bundle []byte) string {
	hashed := bundle
	if certificates := parseCertificates(bundle); len(certificates) > 1 {
		hashed = certificates[len(certificates)-1].Raw
	}
	sum := sha256.Sum256(hashed)
	return hex.EncodeToString(sum[:])
}

func parseCertificates(bundle []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		block, bundle = pem.Decode(bundle)
		if block == nil {
			return found
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, certificate)
		}
	}
}

// randomHex is a secret of so many random bytes.
func randomHex(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // Never fails (crypto/rand).
	return hex.EncodeToString(secret)
}
