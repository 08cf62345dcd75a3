package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	bootstrapSecretPrefix = "bootstrap-token-"
	bootstrapGroup        = "system:bootstrappers:k3s:default-node-token"
	standardLife          = 24 * time.Hour
	serverAuthority       = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
)

// tokenCommand is `k3s token`: join tokens for agents, which end by themselves.
func tokenCommand(words []string) error {
	if len(words) == 0 {
		return errors.New("k3s token create [--ttl DURATION] [--description TEXT] | list | delete ID …")
	}
	if words[0] == "generate" {
		fmt.Println(randomHex(3) + "." + randomHex(8))
		return nil
	}
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		path = defaultKubeconfig
	}
	_, client, err := clientFor(path)
	if err != nil {
		return err
	}
	switch words[0] {
	case "create":
		return createToken(context.Background(), client, words[1:])
	case "list":
		return listTokens(context.Background(), client)
	case "delete":
		return deleteTokens(context.Background(), client, words[1:])
	}
	return notHere("k3s token " + words[0])
}

func createToken(ctx context.Context, client kubernetes.Interface, words []string) error {
	life, description, err := tokenOptions(words)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(serverAuthority)
	if err != nil {
		return err
	}
	id, secret := randomHex(3), randomHex(8)
	fields := map[string]string{
		"token-id":                       id,
		"token-secret":                   secret,
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing":        "true",
		"auth-extra-groups":              bootstrapGroup,
		"description":                    description,
	}
	if life > 0 {
		fields["expiration"] = time.Now().UTC().Add(life).Format(time.RFC3339)
	}
	_, err = client.CoreV1().Secrets(systemNamespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: bootstrapSecretPrefix + id},
		Type:       "bootstrap.kubernetes.io/token",
		StringData: fields,
	}, metav1.CreateOptions{})
	if err == nil {
		fmt.Println(secureToken(ca, id+"."+secret))
	}
	return err
}

// tokenOptions reads --ttl (0: for ever) and --description.
func tokenOptions(words []string) (time.Duration, string, error) {
	life, description := standardLife, ""
	for len(words) > 0 {
		name, value, given := strings.Cut(words[0], "=")
		words = words[1:]
		if !given {
			if len(words) == 0 {
				return 0, "", fmt.Errorf("flag needs an argument: %s", name)
			}
			value, words = words[0], words[1:]
		}
		var err error
		switch name {
		case "--ttl":
			life, err = time.ParseDuration(value)
		case "--description":
			description = value
		default:
			err = notHere("k3s token create " + name)
		}
		if err != nil {
			return 0, "", err
		}
	}
	return life, description, nil
}

func listTokens(ctx context.Context, client kubernetes.Interface) error {
	secrets, err := client.CoreV1().Secrets(systemNamespace).List(ctx, metav1.ListOptions{
		FieldSelector: "type=bootstrap.kubernetes.io/token",
	})
	if err != nil {
		return err
	}
	fmt.Println("TOKEN\tEXPIRES\tDESCRIPTION")
	for _, one := range secrets.Items {
		fmt.Printf("%s\t%s\t%s\n", one.Data["token-id"], one.Data["expiration"], one.Data["description"])
	}
	return nil
}

func deleteTokens(ctx context.Context, client kubernetes.Interface, words []string) error {
	for _, word := range words {
		id, _, _ := strings.Cut(word, ".")
		if err := client.CoreV1().Secrets(systemNamespace).Delete(ctx, bootstrapSecretPrefix+id, metav1.DeleteOptions{}); err != nil {
			return err
		}
		fmt.Printf("bootstrap token '%s' deleted\n", id)
	}
	return nil
}
