package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

const (
	manifestInterval = 3 * time.Second
	manifestManager  = "k3s"
	documentBuffer   = 4096
)

// deployer applies what stands in server/manifests. It deletes nothing: neither does K3s when a file is taken away.
type deployer struct {
	client  dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	applied map[string][sha256.Size]byte
}

// deployManifests applies each file again when it changes, and until that has worked.
func deployManifests(ctx context.Context, config *Config) {
	folder := config.path("server", "manifests")
	work, err := newDeployer(config)
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		fatal(err)
	}
	for ; ctx.Err() == nil; _ = pause(ctx, manifestInterval) {
		for _, path := range manifestFiles(folder) {
			if err := work.file(ctx, path); err != nil {
				logf("error", "Failed to process config: failed to process %s: %v", path, err)
			}
		}
	}
}

func newDeployer(config *Config) (*deployer, error) {
	found, _, err := clientFor(config.String("write-kubeconfig"))
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(found)
	if err != nil {
		return nil, err
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(found)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovered))
	return &deployer{client, mapper, map[string][sha256.Size]byte{}}, nil
}

// manifestFiles are the YAML and JSON files of a folder and of those in it; a file name.skip beside one keeps it out.
func manifestFiles(folder string) []string {
	var found []string
	_ = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			if _, err := os.Stat(path + ".skip"); errors.Is(err, os.ErrNotExist) {
				found = append(found, path)
			}
		}
		return nil
	})
	return found
}

func (d *deployer) file(ctx context.Context, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if d.applied[path] == sum {
		return nil
	}
	objects, err := readObjects(content)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := d.apply(ctx, object); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	d.applied[path] = sum
	logf("info", "Applied %s", path)
	return nil
}

func (d *deployer) apply(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	found, err := d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		d.mapper.Reset() // The kind may have come with an earlier object.
		return err
	}
	var into dynamic.ResourceInterface = d.client.Resource(found.Resource)
	if found.Scope.Name() == meta.RESTScopeNameNamespace {
		if object.GetNamespace() == "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
		into = d.client.Resource(found.Resource).Namespace(object.GetNamespace())
	}
	_, err = into.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: manifestManager, Force: true})
	return err
}

func readObjects(content []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), documentBuffer)
	var found []*unstructured.Unstructured
	for {
		read := map[string]any{}
		err := decoder.Decode(&read)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{Object: read}
		switch {
		case len(read) == 0:
		case object.IsList():
			list, err := object.ToList()
			if err != nil {
				return nil, err
			}
			for i := range list.Items {
				found = append(found, &list.Items[i])
			}
		case object.GetKind() == "" || strings.TrimSpace(object.GetName()) == "":
			return nil, errors.New("an object without kind or name")
		default:
			found = append(found, object)
		}
	}
}
