# The hooks around machines that are made elsewhere; here they are made of paper.
variable "nodes" {
  description = "The machines, by name."
  type = map(object({
    size    = string
    role    = string
    address = string
  }))
  default = {
    demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
  }
}

resource "terraform_data" "machine" {
  for_each = var.nodes
  input    = each.value
}

module "hooks" {
  source = "../.."

  region  = "home"
  nodes   = var.nodes
  stem    = "demo-home"
  counter = 1
  known   = ["demo-home-1"]
  python  = "/opt/du-infra/bin/python"
  fleet   = "fleet.yaml"

  # A node leaves before its machine is destroyed, and joins after it was made.
  depends_on = [terraform_data.machine]
}

output "next_node" {
  description = "What the next machine must be called."
  value       = module.hooks.next_node
}
