locals {
  numbers = { for name in keys(var.nodes) : name => try(tonumber(regex("^${var.stem}-([1-9][0-9]*)$", name)[0]), 0) }
  next    = max(var.counter, values(local.numbers)...) + 1
}

# One for each machine, and destroyed before it (the caller's depends_on sees to that): the node leaves the region
# first, and where it may not leave, Terraform stops before the machine is touched.
resource "terraform_data" "node" {
  for_each = var.nodes

  # A destroy-time provisioner sees nothing but its own resource. A change here is made in place.
  input = {
    region = var.region
    python = var.python
    fleet  = var.fleet
  }

  lifecycle {
    precondition {
      condition     = contains(var.known, each.key) || local.numbers[each.key] > var.counter
      error_message = "A new node cannot be called ${each.key}: names are ${var.stem}-<number>, and never used twice. The next is ${var.stem}-${var.counter + 1}."
    }
  }

  provisioner "local-exec" {
    quiet = true
    when  = destroy
    # Values reach the shell through its environment only. exec: a signal for the shell is one for du-infra.
    command = <<-EOT
      [ "$DU_HOOKS" != off ] || exit 0
      [ -x "$DU_PYTHON" ] || {
        echo "du-infra has moved from $DU_PYTHON: run its region up $DU_REGION once, where it is now" >&2
        exit 3
      }
      exec "$DU_PYTHON" -P -m du_infra node leave "$DU_NODE" --hook
    EOT
    environment = {
      DU_HOOK   = "1"
      DU_PYTHON = self.input.python
      DU_FLEET  = self.input.fleet
      DU_REGION = self.input.region
      DU_NODE   = each.key
    }
  }
}

# Made anew when the set of nodes has changed, after machines were made and destroyed: who is new joins. A failure
# leaves it tainted, so the next apply tries again.
resource "terraform_data" "region" {
  depends_on = [terraform_data.node]

  triggers_replace = sort(keys(var.nodes))

  provisioner "local-exec" {
    quiet   = true
    command = <<-EOT
      [ "$DU_HOOKS" != off ] || exit 0
      [ -x "$DU_PYTHON" ] || {
        echo "du-infra has moved from $DU_PYTHON: run its region up $DU_REGION once, where it is now" >&2
        exit 3
      }
      exec "$DU_PYTHON" -P -m du_infra region reconcile "$DU_REGION" --hook
    EOT
    environment = {
      DU_HOOK   = "1"
      DU_PYTHON = var.python
      DU_FLEET  = var.fleet
      DU_REGION = var.region
      DU_NODES  = jsonencode(var.nodes)
    }
  }
}
