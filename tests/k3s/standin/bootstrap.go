package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	bootstrapPrefix = "/bootstrap/"
	saltBytes       = 16
	keyRounds       = 4096
)

// shareAuthorities has this server use the cluster's authorities: those in the datastore, which the first server put there.
// They are encrypted with the server token, so a server with another token is refused.
func shareAuthorities(ctx context.Context, client *clientv3.Client, folder pki, password string) error {
	sum := sha256.Sum256([]byte(password))
	name := bootstrapPrefix + hex.EncodeToString(sum[:])[:12]
	for {
		found, err := client.Get(ctx, bootstrapPrefix, clientv3.WithPrefix())
		if err != nil {
			return err
		}
		for _, one := range found.Kvs {
			if string(one.Key) != name {
				continue
			}
			files, err := unseal(one.Value, password)
			if err != nil {
				return err
			}
			return folder.write(files)
		}
		if len(found.Kvs) > 0 {
			return errors.New("bootstrap data already found and encrypted with different token")
		}
		if err := folder.offer(ctx, client, name, password); err != nil {
			return err
		}
	}
}

// offer puts this server's authorities, or new ones, into the datastore, unless another server was faster.
func (p pki) offer(ctx context.Context, client *clientv3.Client, name, password string) error {
	files, err := p.held()
	if err == nil && files == nil {
		files, err = newAuthorities()
	}
	if err != nil {
		return err
	}
	sealed, err := seal(files, password)
	if err != nil {
		return err
	}
	absent := clientv3.Compare(clientv3.ModRevision(name), "=", 0)
	_, err = client.Txn(ctx).If(absent).Then(clientv3.OpPut(name, string(sealed))).Commit()
	return err
}

func (p pki) write(files map[string][]byte) error {
	if err := os.MkdirAll(string(p), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func seal(files map[string][]byte, password string) ([]byte, error) {
	plain, err := json.Marshal(files)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // Never fails (crypto/rand).
	box, err := newBox(password, salt)
	if err != nil {
		return nil, err
	}
	return append(salt, box.Seal(nil, nil, plain, nil)...), nil
}

func unseal(sealed []byte, password string) (map[string][]byte, error) {
	if len(sealed) < saltBytes {
		return nil, errors.New("bootstrap data is not whole")
	}
	box, err := newBox(password, sealed[:saltBytes])
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, nil, sealed[saltBytes:], nil)
	if err != nil {
		return nil, err
	}
	var files map[string][]byte
	err = json.Unmarshal(plain, &files)
	return files, err
}

func newBox(password string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, keyRounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
