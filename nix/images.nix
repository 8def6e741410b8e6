# The images there are: what each consists of beside modules/profiles/base.nix.
{
  # Joins a cluster of Amazon ECS.
  ecs-node = [ ../modules/mixins/ecs-agent ];

  # Runs jobs of GitHub Actions.
  actions-runner = [
    ../modules/mixins/github-actions
    {
      publish.githubRunner.url = "https://github.com/example";
      publish.image.size = 6 * 1024;
    }
  ];

  # Takes logs, measures and traces from the others, and passes them on.
  gc-fwd = [
    ../modules/mixins/alloy-forwarder
    { publish.alloyForwarder.url = "https://otlp.example.com/otlp"; }
  ];

  # A bare machine to build on.
  azure-base = [ ../modules/profiles/hardening.nix ];
}
