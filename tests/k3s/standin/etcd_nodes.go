package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// What K3s writes on the Nodes of servers with an etcd, and what a user writes there to have etcd let one go.
const (
	etcdRole          = "node-role.kubernetes.io/etcd"
	etcdName          = "etcd.k3s.cattle.io/node-name"
	etcdAddress       = "etcd.k3s.cattle.io/node-address"
	etcdRemove        = "etcd.k3s.cattle.io/remove"
	etcdRemoved       = "etcd.k3s.cattle.io/removed-node-name"
	etcdNodesInterval = time.Second
)

// markEtcd gives a server's Node the role, name and address of its member.
func (m *etcdMember) markEtcd(ctx context.Context, client kubernetes.Interface) {
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:"true"},"annotations":{%q:%q,%q:%q}}}`,
		etcdRole, etcdName, m.name, etcdAddress, m.address)
	for {
		_, err := client.CoreV1().Nodes().Patch(
			ctx, nodeName(m.config), types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		if err == nil || pause(ctx, pollInterval) != nil {
			return
		}
	}
}

// followNodes has the leader take members out of etcd whose Nodes are marked for it, or were deleted.
func (m *etcdMember) followNodes(ctx context.Context, client kubernetes.Interface) {
	known := map[string]corev1.Node{}
	for pause(ctx, etcdNodesInterval) == nil {
		listed, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: etcdRole})
		if err != nil {
			continue
		}
		there := map[string]corev1.Node{}
		for _, node := range listed.Items {
			there[node.Name] = node
		}
		if m.leads(ctx) {
			for _, name := range slices.Sorted(maps.Keys(known)) {
				node, gone := known[name], there[name].Name == ""
				if gone && node.Annotations[etcdRemoved] == "" && m.deleted(ctx, client, name) {
					m.remove(ctx, node)
				}
			}
			for _, node := range listed.Items {
				m.obey(ctx, client, node)
			}
		}
		known = there
	}
}

// deleted says whether a Node is no more, and has not only lost its label.
func (m *etcdMember) deleted(ctx context.Context, client kubernetes.Interface, name string) bool {
	_, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

// obey does what a Node's annotations ask for.
func (m *etcdMember) obey(ctx context.Context, client kubernetes.Interface, node corev1.Node) {
	notes := node.Annotations
	switch {
	case notes[etcdRemove] == "":
		return
	case notes[etcdRemoved] != "":
		if notes[etcdName] == "" || notes[etcdName] == notes[etcdRemoved] {
			return
		}
		delete(notes, etcdRemoved) // It has joined again.
		notes[etcdRemove] = "false"
	case strings.EqualFold(notes[etcdRemove], "true") && notes[etcdName] != "":
		if !m.remove(ctx, node) {
			return
		}
		notes[etcdRemoved] = notes[etcdName]
		delete(notes, etcdName)
		delete(notes, etcdAddress)
	default:
		return
	}
	if _, err := client.CoreV1().Nodes().Update(ctx, &node, metav1.UpdateOptions{}); err != nil {
		logf("warning", "cannot annotate node %s: %v", node.Name, err)
	}
}

// remove takes the member of a Node out of etcd; whether it is out.
func (m *etcdMember) remove(ctx context.Context, node corev1.Node) bool {
	listed, err := m.list(ctx)
	if err != nil {
		return false
	}
	for _, one := range listed {
		at, err := url.Parse(one.PeerURLs[0])
		if one.Name != node.Annotations[etcdName] || err != nil || at.Hostname() != node.Annotations[etcdAddress] {
			continue
		}
		logf("info", "Removing name=%s id=%d address=%s from etcd", one.Name, one.ID, at.Hostname())
		if _, err := m.client.MemberRemove(ctx, one.ID); err != nil {
			logf("warning", "cannot remove %s from etcd: %v", one.Name, err)
			return false
		}
	}
	return true
}
