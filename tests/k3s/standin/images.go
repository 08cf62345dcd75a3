package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// importImages loads the images of an installation without a registry: agent/images/*.tar, plain or gzipped.
func importImages(ctx context.Context, config *Config) error {
	for _, ending := range []string{"*.tar", "*.tar.gz", "*.tgz"} {
		archives, err := filepath.Glob(config.path("agent", "images", ending))
		if err != nil {
			return err
		}
		for _, archive := range archives {
			logf("info", "Importing images from %s", archive)
			command := exec.CommandContext(ctx, distributions("ctr"), "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", archive)
			if said, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("cannot import %s: %w: %s", archive, err, said)
			}
		}
	}
	return nil
}
