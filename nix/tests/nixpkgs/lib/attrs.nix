rec {
  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
  concatMapAttrs = f: set: builtins.foldl' (all: more: all // more) { } (mapAttrsToList f set);
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  unique = builtins.foldl' (all: one: if builtins.elem one all then all else all ++ [ one ]) [ ];
}
