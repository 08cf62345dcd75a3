package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	serverDialTimeout = 2 * time.Second
	checkInterval     = time.Second
	followInterval    = 5 * time.Second
)

// balancer is the one address that a node's parts know: it leads to a server that answers, and cuts what leads to one that
// does not, so that the other servers of the cluster are found when one is lost.
type balancer struct {
	address string
	file    string
	origin  string

	mutex   sync.Mutex
	servers []string // The first is tried first.
	open    map[net.Conn]string
}

// balancerState is K3s's form of the file in which an agent keeps the servers' addresses.
type balancerState struct {
	ServerURL       string
	ServerAddresses []string
}

func startBalancer(ctx context.Context, config *Config, server string) (*balancer, error) {
	origin, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	first := origin.Host
	if origin.Port() == "" {
		first = net.JoinHostPort(origin.Hostname(), "443")
	}
	made := &balancer{
		address: net.JoinHostPort("127.0.0.1", config.String("lb-server-port")),
		file:    config.path("agent", "etc", "k3s-agent-load-balancer.json"),
		origin:  server,
		servers: []string{first},
		open:    map[net.Conn]string{},
	}
	made.recall()
	listener, err := net.Listen("tcp", made.address)
	if err != nil {
		return nil, err
	}
	logf("info", "Running load balancer k3s-agent-load-balancer %s -> %v", made.address, made.servers)
	go made.accept(listener)
	go made.check(ctx)
	return made, nil
}

func (b *balancer) url() string { return "https://" + b.address }

// recall adds the servers that were known when this node last ran, if it is still told to join the same cluster.
func (b *balancer) recall() {
	content, err := os.ReadFile(b.file)
	var kept balancerState
	if err != nil || json.Unmarshal(content, &kept) != nil || kept.ServerURL != b.origin {
		return
	}
	for _, one := range kept.ServerAddresses {
		if !slices.Contains(b.servers, one) {
			b.servers = append(b.servers, one)
		}
	}
}

func (b *balancer) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			fatal(err)
		}
		go b.serve(connection)
	}
}

func (b *balancer) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	for _, server := range b.list() {
		behind, err := net.DialTimeout("tcp", server, serverDialTimeout)
		if err != nil {
			b.demote(server)
			continue
		}
		b.note(behind, server)
		go func() {
			_, _ = io.Copy(behind, client)
			_ = behind.Close()
		}()
		_, _ = io.Copy(client, behind)
		_ = behind.Close()
		b.note(behind, "")
		return
	}
}

// check cuts the connections to servers that no longer answer: nobody else would notice for minutes.
func (b *balancer) check(ctx context.Context) {
	for pause(ctx, checkInterval) == nil {
		for _, server := range b.used() {
			probe, err := net.DialTimeout("tcp", server, serverDialTimeout)
			if err == nil {
				_ = probe.Close()
				continue
			}
			logf("warning", "Server %s does not answer: %v", server, err)
			b.demote(server)
		}
	}
}

// follow keeps the list of servers as the cluster has it.
func (b *balancer) follow(ctx context.Context, cluster *joint) {
	for ; ; _ = pause(ctx, followInterval) {
		if ctx.Err() != nil {
			return
		}
		content, err := cluster.ask(ctx, http.MethodGet, supervisorPath+"apiservers", nil, nil)
		var found []string
		if err != nil || json.Unmarshal(content, &found) != nil || len(found) == 0 {
			continue
		}
		if err := b.learn(found); err != nil {
			logf("warning", "cannot keep the list of servers: %v", err)
		}
	}
}

func (b *balancer) learn(found []string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	kept := slices.DeleteFunc(slices.Clone(b.servers), func(one string) bool { return !slices.Contains(found, one) })
	for _, one := range found {
		if !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	if slices.Equal(kept, b.servers) {
		if _, err := os.Stat(b.file); !errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	logf("info", "Updated load balancer k3s-agent-load-balancer server addresses -> %v", kept)
	b.servers = kept
	content, err := json.Marshal(balancerState{b.origin, kept})
	if err != nil {
		return err
	}
	return os.WriteFile(b.file, content, 0o600)
}

func (b *balancer) list() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.servers)
}

func (b *balancer) used() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var found []string
	for _, server := range b.open {
		if !slices.Contains(found, server) {
			found = append(found, server)
		}
	}
	return found
}

// note keeps which connection leads where; with "" it leads nowhere any more.
func (b *balancer) note(behind net.Conn, server string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if server == "" {
		delete(b.open, behind)
		return
	}
	b.open[behind] = server
}

// demote has a server be tried last, and ends the connections to it.
func (b *balancer) demote(server string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if at := slices.Index(b.servers, server); at >= 0 {
		b.servers = append(slices.Delete(b.servers, at, at+1), server)
	}
	for behind, where := range b.open {
		if where == server {
			_ = behind.Close()
		}
	}
}
