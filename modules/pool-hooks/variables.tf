variable "region" {
  description = "Name of the region, as in fleet.yaml."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.region))
    error_message = "region must be 1 to 20 of a-z, 0-9 and -, starting with a letter and not ending in -."
  }
}

variable "nodes" {
  description = "The machines, as the region-pool module gets them: node name => size, role, private IPv4 address."
  type = map(object({
    size    = string
    role    = string
    address = string
  }))
}

variable "stem" {
  description = "What every node's name begins with; a name is the stem, \"-\" and a number: \"<fleet>-<region>\"."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.stem))
    error_message = "stem must be of a-z, 0-9 and -, starting with a letter."
  }
}

variable "counter" {
  description = "The highest number that any node of the region ever had. Names are never reused."
  type        = number
}

variable "known" {
  description = "The nodes that had their names when counter was written."
  type        = list(string)
}

variable "python" {
  description = "Path of the Python that du-infra is installed for."
  type        = string

  validation {
    condition     = length(var.python) > 0
    error_message = "python must not be empty."
  }
}

variable "fleet" {
  description = "Path of the fleet file, from the folder that Terraform runs in."
  type        = string

  validation {
    condition     = length(var.fleet) > 0
    error_message = "fleet must not be empty."
  }
}
