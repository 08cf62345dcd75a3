package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	systemNamespace    = "kube-system"
	nodePasswordSuffix = ".node-password.k3s"
	hashKey            = "hash"
)

var (
	errPasswordRejected = errors.New("Node password rejected, duplicate hostname or contents of " +
		"'/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name " +
		"with the --with-node-id flag")
	errPasswordMissing = errors.New("unable to verify node identity: node name or node password not set")
)

// checkNodePassword keeps the password of a node that is new, and refuses another machine that comes by its name.
func checkNodePassword(ctx context.Context, client kubernetes.Interface, node, password string) error {
	if node == "" || password == "" {
		return errPasswordMissing
	}
	secrets := client.CoreV1().Secrets(systemNamespace)
	kept, err := secrets.Get(ctx, node+nodePasswordSuffix, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		yes := true
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: node + nodePasswordSuffix},
			Immutable:  &yes,
			StringData: map[string]string{hashKey: hashPassword(password, randomHex(8))},
		}
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	hash := string(kept.Data[hashKey])
	salt, _, _ := strings.Cut(hash, ":")
	if subtle.ConstantTimeCompare([]byte(hash), []byte(hashPassword(password, salt))) != 1 {
		return errPasswordRejected
	}
	return nil
}

// hashPassword needs no slow hash: the passwords are 16 random bytes.
func hashPassword(password, salt string) string {
	sum := sha256.Sum256([]byte(salt + password))
	return salt + ":" + hex.EncodeToString(sum[:])
}

// forgetPasswords deletes a node's password with its Node, so that the name is free again. One that was deleted while no
// server ran is not noticed.
func forgetPasswords(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err := factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		DeleteFunc: func(gone any) {
			name, err := cache.DeletionHandlingMetaNamespaceKeyFunc(gone)
			if err != nil {
				return
			}
			secrets := client.CoreV1().Secrets(systemNamespace)
			if err := secrets.Delete(ctx, name+nodePasswordSuffix, metav1.DeleteOptions{}); err != nil {
				logf("warning", "cannot forget the password of node %s: %v", name, err)
			}
		},
	})
	factory.Start(ctx.Done())
	return err
}
