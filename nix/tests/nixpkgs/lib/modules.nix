# Modules: options that they declare, definitions that they give, and what comes of both.
{ lib }:
let
  inherit (lib) showOption usual;
  isOption = value: builtins.isAttrs value && value._type or null == "option";
  kind = value: if builtins.isAttrs value then value._type or null else null;

  # The same value without conditions, merges and priorities at its top: each of its attributes has them.
  pushDown =
    value:
    {
      "if" = map (builtins.mapAttrs (_: lib.mkIf value.condition)) (pushDown value.content);
      merge = builtins.concatMap pushDown value.contents;
      override = map (builtins.mapAttrs (_: lib.mkOverride value.priority)) (pushDown value.content);
    }
    .${toString (kind value)} or [ value ];

  pushDownAll = builtins.concatMap (
    { file, value }: map (value: { inherit file value; }) (pushDown value)
  );

  # What definitions of a set define one of its attributes as.
  definitionsOf =
    definitions: name:
    builtins.concatMap (
      { file, value }:
      lib.optional (value ? ${name}) {
        inherit file;
        value = value.${name};
      }
    ) definitions;

  # Definitions that count, each with its priority.
  discharge = builtins.concatMap (
    { file, value }:
    {
      "if" =
        if value.condition then
          discharge [
            {
              inherit file;
              value = value.content;
            }
          ]
        else
          [ ];
      merge = discharge (map (value: { inherit file value; }) value.contents);
      # Not looked into: it may be one that does not count.
      override = [
        {
          inherit file;
          inherit (value) priority;
          value = value.content;
        }
      ];
    }
    .${toString (kind value)} or [
      {
        inherit file value;
        priority = usual;
      }
    ]
  );

  # What definitions of one option make together.
  mergeDefinitions =
    loc: type: definitions:
    let
      all = discharge definitions;
      strongest = builtins.foldl' (
        least: definition: if definition.priority < least then definition.priority else least
      ) 9999 all;
      counting = map ({ file, value, ... }: { inherit file value; }) (
        builtins.filter (definition: definition.priority == strongest) all
      );
      wrong = builtins.filter (definition: !type.check definition.value) counting;
    in
    if counting == [ ] then
      throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
    else if wrong != [ ] then
      throw "A definition for option `${showOption loc}' is not of type `${type.name}': in ${(builtins.head wrong).file}"
    else
      type.merge loc counting;

  # A module in one form, whatever form it has.
  normalize =
    args: module:
    let
      file =
        if builtins.isPath module || builtins.isString module then
          toString module
        else
          module._file or "a module of the caller's";
      said = if builtins.isPath module || builtins.isString module then import module else module;
      called = if builtins.isFunction said then said args else said;
      plain = builtins.removeAttrs called [
        "_file"
        "imports"
      ];
      structured = called ? options || called ? config;
      strange = builtins.attrNames (
        builtins.removeAttrs plain [
          "options"
          "config"
        ]
      );
    in
    if structured && strange != [ ] then
      throw "${file} has `options' or `config', and ${builtins.concatStringsSep ", " strange} beside them"
    else
      {
        inherit file;
        imports = called.imports or [ ];
        options = called.options or { };
        config = if structured then called.config or { } else plain;
      };

  # All modules that a list of modules imports, each file once.
  collect =
    args: modules:
    let
      closure = builtins.genericClosure {
        startSet = keyed "" modules;
        operator = { key, module }: keyed key (normalize args module).imports;
      };
      keyed =
        parent: list:
        builtins.genList (
          index:
          let
            module = builtins.elemAt list index;
          in
          {
            inherit module;
            key =
              if builtins.isPath module || builtins.isString module then
                toString module
              else
                "${parent}:${toString index}";
          }
        ) (builtins.length list);
    in
    map ({ module, ... }: normalize args module) closure;

  # The declarations of all modules as one tree.
  declare =
    loc: one: other:
    one
    // builtins.mapAttrs (
      name: value:
      if !(one ? ${name}) then
        value
      else if isOption value || isOption one.${name} then
        throw "The option `${showOption (loc ++ [ name ])}' is already declared"
      else
        declare (loc ++ [ name ]) one.${name} value
    ) other;

  # Values for a tree of options, and definitions of options that are none.
  evaluate =
    loc: options: definitions:
    let
      pushed = pushDownAll definitions;
      at = definitionsOf pushed;
      below = builtins.mapAttrs (
        name: option:
        let
          here = loc ++ [ name ];
          default = lib.optional (option ? default) {
            file = "the option's default";
            value = lib.mkOptionDefault option.default;
          };
        in
        if isOption option then
          rec {
            value = mergeDefinitions here option.type (at name ++ default);
            defined = lib.optionalAttrs (discharge (at name ++ default) != [ ]) { inherit value; };
            unknown = [ ];
          }
        else
          evaluate here option (at name)
      ) options;
      unknown = builtins.concatMap (
        { file, value }:
        map (
          name: "The option `${showOption (loc ++ [ name ])}' does not exist. Definition values: in ${file}"
        ) (builtins.filter (name: !(options ? ${name})) (builtins.attrNames value))
      ) pushed;
    in
    {
      value = builtins.mapAttrs (_: part: part.value) below;
      # The same without options that nobody defines: what can be looked at whole.
      defined = builtins.mapAttrs (_: part: part.defined) below;
      unknown = unknown ++ builtins.concatMap (part: part.unknown) (builtins.attrValues below);
    };

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      args = {
        inherit config lib options;
      }
      // specialArgs;
      all = collect args modules;
      declared = builtins.foldl' (
        tree: module: declare prefix tree (builtins.removeAttrs module.options [ "_freeform" ])
      ) { } all;
      # A type for what no option is declared for.
      freeform = builtins.concatMap (
        module: lib.optional (module.options ? _freeform) module.options._freeform
      ) all;
      definitions = map (module: {
        inherit (module) file;
        value = module.config;
      }) all;
      options = declared;
      evaluated = evaluate prefix declared definitions;
      others = lib.optionalAttrs (freeform != [ ]) (
        mergeDefinitions prefix (builtins.head freeform) (
          map ({ file, value }: {
            inherit file;
            value = lib.mkMerge (
              map (part: builtins.removeAttrs part (builtins.attrNames declared)) (pushDown value)
            );
          }) definitions
        )
      );
      config =
        if freeform == [ ] && evaluated.unknown != [ ] then
          throw (builtins.head evaluated.unknown)
        else
          others // evaluated.value;
    in
    {
      inherit config options;
      inherit (evaluated) defined;
    };
in
{
  inherit
    discharge
    evalModules
    mergeDefinitions
    definitionsOf
    pushDownAll
    ;
  mergeEqualOption = import ./equal.nix;
  last = list: builtins.elemAt list (builtins.length list - 1);
  mkOptionType = type: type;
}
