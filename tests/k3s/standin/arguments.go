package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// arguments are the flags of a component: name → values.
type arguments map[string][]string

// newArguments are ours, with what the user's *-arg keys say ("name=value") in place of ours.
func newArguments(ours map[string]string, users []string) arguments {
	merged := arguments{}
	for name, value := range ours {
		merged[name] = []string{value}
	}
	theirs := arguments{}
	for _, one := range users {
		name, value, given := strings.Cut(strings.TrimLeft(one, "-"), "=")
		if !given {
			value = "true"
		}
		theirs[name] = append(theirs[name], value)
	}
	maps.Copy(merged, theirs)
	return merged
}

// line is the command line, in a steady order.
func (a arguments) line() []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		for _, value := range a[name] {
			found = append(found, "--"+name+"="+value)
		}
	}
	return found
}

// parse sets the options of a component that are behind its flag sets.
func (a arguments) parse(component string, sets cliflag.NamedFlagSets) error {
	all := pflag.NewFlagSet(component, pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	return all.Parse(a.line())
}
