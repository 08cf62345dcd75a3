output "nodes" {
  description = "The machines: node name => provider's id, public IPv4 (none on LXD), private IPv4."
  value = {
    for name, machine in lxd_container.node : name => {
      id           = machine.id
      public_ipv4  = null
      private_ipv4 = var.nodes[name].address
    }
  }
}

output "vip" {
  description = "IPv4 address of the region's entrance."
  value       = var.vip
}
