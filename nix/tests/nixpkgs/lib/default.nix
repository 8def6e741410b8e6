let
  lib =
    import ./attrs.nix
    // import ./strings.nix
    // import ./priorities.nix
    // import ./modules.nix { inherit lib; }
    // {
      types = import ./types.nix { inherit lib; };
      licenses.asl20.spdxId = "Apache-2.0";
      platforms.unix = [ "x86_64-linux" ];
      fileset = {
        unions = files: files;
        # What is there is what counts here.
        toSource = { root, fileset }: builtins.deepSeq (map builtins.pathExists fileset) root;
      };
      getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname or package.name}";
      getExe' = package: program: "${package}/bin/${program}";
    };
in
lib
