variables {
  region  = "home"
  stem    = "demo-home"
  counter = 3
  known   = ["demo-home-1", "demo-home-3"]
  python  = "/bin/true" # Stands for du-infra.
  fleet   = "../../../../fleet.yaml"
  nodes = {
    demo-home-1 = { size = "1c1g", role = "worker", address = "198.18.1.11" }
    demo-home-3 = { size = "1c1g", role = "worker", address = "198.18.1.13" }
  }
}

run "has_one_hook_for_each_node_and_one_for_the_region" {
  assert {
    condition     = toset(keys(terraform_data.node)) == toset(["demo-home-1", "demo-home-3"])
    error_message = "one hook for each node"
  }
  assert {
    condition     = terraform_data.region.triggers_replace == tolist(["demo-home-1", "demo-home-3"])
    error_message = "the region's hook is made anew when the names change"
  }
  assert {
    condition     = output.next_node == "demo-home-4"
    error_message = "a name that was ever given out is not the next"
  }
}

run "keeps_in_its_state_what_a_node_needs_to_leave" {
  assert {
    condition     = terraform_data.node["demo-home-1"].output == { region = "home", python = "/bin/true", fleet = "../../../../fleet.yaml" }
    error_message = "a provisioner that runs at destroy sees nothing else"
  }
}

run "lets_a_new_name_in" {
  variables {
    nodes = {
      demo-home-3 = { size = "1c1g", role = "worker", address = "198.18.1.13" }
      demo-home-7 = { size = "1c1g", role = "worker", address = "198.18.1.14" }
    }
  }
  assert {
    condition     = output.next_node == "demo-home-8"
    error_message = "the next name follows the highest number"
  }
}

run "refuses_a_name_that_was_used_before" {
  command = plan
  variables {
    nodes = { demo-home-2 = { size = "1c1g", role = "worker", address = "198.18.1.12" } }
  }
  expect_failures = [terraform_data.node["demo-home-2"]]
}

run "refuses_a_name_without_the_stem" {
  command = plan
  variables {
    nodes = { web-9 = { size = "1c1g", role = "worker", address = "198.18.1.12" } }
  }
  expect_failures = [terraform_data.node["web-9"]]
}
