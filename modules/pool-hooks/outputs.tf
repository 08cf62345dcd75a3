output "next_node" {
  description = "The name that the next new node must have."
  value       = "${var.stem}-${local.next}"
}
