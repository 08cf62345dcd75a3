package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/k3s-io/kine/pkg/endpoint"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	infoPath      = "/db/info"
	bootstrapPath = supervisorPath + "server-bootstrap"
	etcdTimeout   = 20 * time.Second
)

// etcdMembers is what /db/info answers.
type etcdMembers struct {
	Members []*etcdserverpb.Member `json:"members"`
}

// openEtcd has this server's etcd run, as a cluster of its own or as one more member, and returns once it has a vote.
func openEtcd(ctx context.Context, config *Config, folder pki) (*etcdMember, endpoint.ETCDConfig, string, error) {
	none := endpoint.ETCDConfig{}
	password, err := serverPassword(config)
	if err != nil {
		return nil, none, "", err
	}
	member, err := newEtcdMember(config, folder)
	if err != nil {
		return nil, none, "", err
	}
	switch {
	case etcdBegun(config):
		logf("info", "Starting etcd for existing cluster member")
		err = member.start(ctx, []string{member.name + "=" + member.url("2380")}, "existing")
	case config.String("server") != "":
		err = member.join(ctx, password)
	default:
		err = member.begin(ctx)
	}
	if err != nil {
		return nil, none, "", err
	}
	go member.manageLearners(ctx)
	if err := member.awaitVote(ctx); err != nil {
		return nil, none, "", err
	}
	return member, member.store(), password, shareAuthorities(ctx, member.client, folder, password)
}

// begin makes a cluster of one; what sqlite holds of an earlier one goes into it.
func (m *etcdMember) begin(ctx context.Context) error {
	files, err := m.folder.held()
	if err != nil {
		return err
	}
	if files == nil {
		if files, err = newAuthorities(); err != nil {
			return err
		}
	}
	if err := m.folder.write(files); err != nil {
		return err
	}
	logf("info", "Starting etcd for new cluster, cluster-reset=false")
	if err := m.start(ctx, []string{m.name + "=" + m.url("2380")}, "new"); err != nil {
		return err
	}
	if err := migrateFromSQLite(ctx, m.config, m.client); err != nil {
		return fmt.Errorf("failed to migrate content from sqlite to etcd: %w", err)
	}
	return nil
}

// join has the cluster of another server take this one in, as a learner at first.
func (m *etcdMember) join(ctx context.Context, password string) error {
	secret, err := m.config.secret("token")
	if err != nil {
		return err
	}
	var front *joint
	for {
		front, err = newJoint(ctx, m.config, m.config.String("server"), secret)
		if err == nil {
			front.user, front.secret.password = "server", password
			err = m.takeAuthorities(ctx, front)
		}
		if err == nil {
			var initial []string
			if initial, err = m.add(ctx, front); err == nil {
				logf("info", "Starting etcd to join cluster with members %v", initial)
				return m.start(ctx, initial, "existing")
			}
		}
		var no *refusal
		if errors.As(err, &no) {
			return err
		}
		logf("info", "Waiting for other members to finish joining etcd cluster: %v", err)
		if err := pause(ctx, retryInterval); err != nil {
			return err
		}
	}
}

// takeAuthorities gets the cluster's authorities from another server.
func (m *etcdMember) takeAuthorities(ctx context.Context, front *joint) error {
	told, err := front.ask(ctx, http.MethodGet, bootstrapPath, nil, nil)
	if err != nil {
		return prefixed("failed to get the cluster's bootstrap data", err)
	}
	var files map[string][]byte
	if err := json.Unmarshal(told, &files); err != nil {
		return err
	}
	if err := m.folder.write(files); err != nil {
		return err
	}
	return m.issue()
}

// add asks the cluster's etcd for a place as a learner, unless it has one; returns all members.
func (m *etcdMember) add(ctx context.Context, front *joint) ([]string, error) {
	told, err := front.ask(ctx, http.MethodGet, infoPath, nil, nil)
	if err != nil {
		return nil, err
	}
	var known etcdMembers
	if err := json.Unmarshal(told, &known); err != nil {
		return nil, err
	}
	var endpoints, initial []string
	add := true
	for _, one := range known.Members {
		name, ours := one.Name, m.hasAddress(one)
		if name == "" && ours {
			name = m.name
		}
		if cut := strings.LastIndex(name, "-"); name != m.name && cut > 0 && name[:cut] == nodeName(m.config) {
			return nil, &refusal{"duplicate node name found, please use a unique name for this node"}
		}
		add = add && !(name == m.name && ours)
		if !one.IsLearner && !ours {
			endpoints = append(endpoints, one.ClientURLs...)
		}
		initial = append(initial, name+"="+one.PeerURLs[0])
	}
	if !add {
		return initial, nil
	}
	client, err := m.dial(endpoints...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	limited, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	logf("info", "Adding member %s=%s to etcd cluster %v", m.name, m.url("2380"), initial)
	if _, err := client.MemberAddAsLearner(limited, []string{m.url("2380")}); err != nil {
		return nil, err
	}
	return append(initial, m.name+"="+m.url("2380")), nil
}

func (m *etcdMember) hasAddress(one *etcdserverpb.Member) bool {
	for _, peer := range one.PeerURLs {
		if parsed, err := url.Parse(peer); err == nil && parsed.Hostname() == m.address {
			return true
		}
	}
	return false
}

// awaitVote waits until the leader has promoted this member.
func (m *etcdMember) awaitVote(ctx context.Context) error {
	for {
		limited, cancel := context.WithTimeout(ctx, etcdTimeout)
		status, err := m.client.Status(limited, etcdLocal)
		cancel()
		if err == nil && !status.IsLearner && status.Leader != 0 {
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// leads says whether this server's member is etcd's leader, which does what one alone has to do.
func (m *etcdMember) leads(ctx context.Context) bool {
	limited, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	status, err := m.client.Status(limited, etcdLocal)
	return err == nil && status.Header.MemberId == status.Leader
}

// manageLearners has the leader give learners their votes. K3s looks every 15 s; here it is 3 s, to have tests be short.
func (m *etcdMember) manageLearners(ctx context.Context) {
	for pause(ctx, 3*time.Second) == nil {
		if !m.leads(ctx) {
			continue
		}
		listed, err := m.list(ctx)
		if err != nil {
			continue
		}
		for _, one := range listed {
			if !one.IsLearner {
				continue
			}
			if _, err := m.client.MemberPromote(ctx, one.ID); err == nil {
				logf("info", "Promoted learner %s", one.Name)
			} else if !errors.Is(err, rpctypes.ErrMemberLearnerNotReady) {
				logf("warning", "Unable to promote learner %s: %v", one.Name, err)
			}
		}
	}
}

func (m *etcdMember) list(ctx context.Context) ([]*etcdserverpb.Member, error) {
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := m.client.MemberList(limited)
	if err != nil {
		return nil, err
	}
	return found.Members, nil
}
