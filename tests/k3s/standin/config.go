package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	defaultConfig     = "/etc/rancher/k3s/config.yaml"
	defaultKubeconfig = "/etc/rancher/k3s/k3s.yaml"
	// lenientVariable, when set, has unknown keys of a configuration file skipped, as K3s itself does (k3s#4509).
	lenientVariable = "K3S_STANDIN_LENIENT"
)

// Config holds the value of each key, from the flags, the configuration files and the environment, in this order.
type Config struct {
	verb   string
	values map[string][]string
}

// readConfig reads everything that `k3s server` or `k3s agent` is told, and refuses what it does not know.
func readConfig(verb string, arguments []string, environment func(string) string) (*Config, error) {
	flags, file, err := parseFlags(arguments)
	if err != nil {
		return nil, err
	}
	files, err := configFiles(file, environment("K3S_CONFIG_FILE"))
	if err != nil {
		return nil, err
	}
	config := &Config{verb: verb, values: map[string][]string{}}
	for name, one := range keys {
		if value := environment(one.variable); one.variable != "" && value != "" {
			config.values[name] = []string{value}
		}
	}
	for _, path := range files {
		if err := config.readFile(path, environment(lenientVariable) != ""); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for name, values := range flags {
		if err := config.set(name, values); err != nil {
			return nil, err
		}
	}
	return config, config.check()
}

// parseFlags reads --key value, --key=value and -k value; a repeated flag is a list. Says also which file --config names.
func parseFlags(arguments []string) (map[string][]string, string, error) {
	found, file := map[string][]string{}, ""
	for len(arguments) > 0 {
		word := arguments[0]
		arguments = arguments[1:]
		if !strings.HasPrefix(word, "-") {
			return nil, "", fmt.Errorf("not a flag: %s", word)
		}
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if long, short := shorthands[name]; short {
			name = long
		}
		if !given && keys[name].kind == flag && name != "config" && name != "c" {
			value, given = "true", true
		}
		if !given {
			if len(arguments) == 0 {
				return nil, "", fmt.Errorf("flag needs an argument: %s", word)
			}
			value, arguments = arguments[0], arguments[1:]
		}
		if name == "config" || name == "c" {
			file = value
			continue
		}
		if _, known := keys[name]; !known {
			return nil, "", fmt.Errorf("flag provided but not defined: -%s", name)
		}
		found[name] = append(found[name], value)
	}
	return found, file, nil
}

// configFiles lists the configuration file and, in the order of their names, the files of its folder of drop-ins.
func configFiles(flag, variable string) ([]string, error) {
	main := flag
	if main == "" {
		main = variable
	}
	if main == "" {
		main = defaultConfig
	}
	var found []string
	if _, err := os.Stat(main); err == nil {
		found = append(found, main)
	} else if main == flag || !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, ending := range []string{"*.yaml", "*.yml"} {
		dropIns, err := filepath.Glob(filepath.Join(main+".d", ending))
		if err != nil {
			return nil, err
		}
		found = append(found, dropIns...)
	}
	if len(found) > 1 {
		slices.Sort(found[1:])
	}
	return found, nil
}

func (c *Config) readFile(path string, lenient bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	read := map[string]any{}
	if err := yaml.UnmarshalStrict(content, &read); err != nil {
		return err
	}
	for name, value := range read {
		// "key+" adds to what earlier files say; "key" takes its place.
		plain, adds := strings.CutSuffix(name, "+")
		if _, known := keys[plain]; !known {
			if lenient {
				logf("warning", "Unknown flag %s found in config.yaml, skipping", "--"+plain)
				continue
			}
			return fmt.Errorf("unknown key %q; K3s would skip it without a word", name)
		}
		values, err := words(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if adds {
			values = append(slices.Clone(c.values[plain]), values...)
		}
		if err := c.set(plain, values); err != nil {
			return err
		}
	}
	return nil
}

// words is a YAML value as a list of words.
func words(value any) ([]string, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case []any:
		var found []string
		for _, one := range value {
			more, err := words(one)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
		return found, nil
	case map[string]any:
		return nil, errors.New("a mapping is no value of a flag")
	case float64:
		return []string{strconv.FormatFloat(value, 'f', -1, 64)}, nil
	}
	return []string{fmt.Sprint(value)}, nil
}

func (c *Config) set(name string, values []string) error {
	known := keys[name]
	if known.kind == commaList {
		values = strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' })
	}
	if known.kind != list && known.kind != commaList && len(values) > 1 {
		return fmt.Errorf("%s takes one value, not %d", name, len(values))
	}
	for _, value := range values {
		var err error
		switch known.kind {
		case flag:
			_, err = strconv.ParseBool(value)
		case number:
			_, err = strconv.Atoi(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %q is no %s", name, value, map[kind]string{flag: "boolean", number: "number"}[known.kind])
		}
	}
	c.values[name] = values
	return nil
}

// check refuses what this verb does not have, and what the stand-in cannot do.
func (c *Config) check() error {
	for name := range c.values {
		one := keys[name]
		switch {
		case one.serverOnly && c.verb != "server":
			return fmt.Errorf("%s is a key of servers, not of agents", name)
		case one.use == refused && (one.kind != flag || c.Bool(name)):
			return notHere(name)
		}
	}
	return nil
}

// String is the value of a key, or its standard value, or "".
func (c *Config) String(name string) string {
	if values := c.values[name]; len(values) > 0 {
		return values[0]
	}
	return keys[name].standard
}

// Bool says whether a flag is set.
func (c *Config) Bool(name string) bool {
	is, _ := strconv.ParseBool(c.String(name))
	return is
}

// List is the values of a key, or its standard value.
func (c *Config) List(name string) []string {
	if values, set := c.values[name]; set {
		return values
	}
	if standard := keys[name].standard; standard != "" {
		return []string{standard}
	}
	return nil
}

// path is a path below the data directory.
func (c *Config) path(parts ...string) string {
	return filepath.Join(append([]string{c.String("data-dir")}, parts...)...)
}

// secret is the value of a key, or of the file that key-file names.
func (c *Config) secret(name string) (string, error) {
	if value := c.String(name); value != "" {
		return strings.TrimSpace(value), nil
	}
	path := c.String(name + "-file")
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}
