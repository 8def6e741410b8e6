# A type says which values it takes, and what several definitions make together.
{ lib }:
let
  inherit (lib) mergeDefinitions mergeEqualOption;
  simple = name: check: {
    inherit name check;
    merge = mergeEqualOption;
  };
  # What is in a list or a set is merged as if it were an option.
  inside =
    loc: part: type: definitions:
    mergeDefinitions (loc ++ [ part ]) type definitions;
  isPackage = value: builtins.isAttrs value && value ? outPath;

  attrs = lazy: type: {
    name = "attribute set of ${type.name}";
    check = value: builtins.isAttrs value && !isPackage value;
    merge =
      loc: definitions:
      let
        pushed = lib.pushDownAll definitions;
        names = lib.unique (builtins.concatMap (definition: builtins.attrNames definition.value) pushed);
        values = lib.genAttrs names (lib.definitionsOf pushed);
      in
      # A definition under a condition that is false is none.
      lib.concatMapAttrs (
        name: parts:
        lib.optionalAttrs (lazy || lib.discharge parts != [ ]) { ${name} = inside loc name type parts; }
      ) values;
  };

  types = {
    bool = simple "bool" builtins.isBool;
    int = simple "int" builtins.isInt;
    str = simple "str" builtins.isString;
    raw = {
      name = "raw";
      check = _: true;
      merge = mergeEqualOption;
    };
    package = simple "package" isPackage;
    path = simple "path" (
      value:
      builtins.isPath value || isPackage value || (builtins.isString value && lib.hasPrefix "/" value)
    );
    # A scalar, as a unit's or a program's own settings have them; definitions of lists add up.
    atom = {
      name = "atom or list of atoms";
      check =
        value:
        builtins.any (is: is value) [
          builtins.isBool
          builtins.isInt
          builtins.isList
          builtins.isString
          builtins.isFloat
          builtins.isNull
          isPackage
        ];
      merge =
        loc: definitions:
        if builtins.any (definition: builtins.isList definition.value) definitions then
          builtins.concatMap ({ value, ... }: if builtins.isList value then value else [ value ]) definitions
        else
          mergeEqualOption loc definitions;
    };
    lines = {
      name = "lines";
      check = builtins.isString;
      merge =
        _: definitions: builtins.concatStringsSep "\n" (map (definition: definition.value) definitions);
    };
    ints = {
      positive = simple "positive int" (value: builtins.isInt value && value > 0);
      unsigned = simple "unsigned int" (value: builtins.isInt value && value >= 0);
    };
    strMatching =
      pattern:
      simple "str matching ${pattern}" (
        value: builtins.isString value && builtins.match pattern value != null
      );
    enum = values: simple "one of ${builtins.toJSON values}" (value: builtins.elem value values);

    nullOr = type: {
      name = "null or ${type.name}";
      check = value: value == null || type.check value;
      merge =
        loc: definitions:
        if builtins.any (definition: definition.value == null) definitions then
          mergeEqualOption loc definitions
        else
          type.merge loc definitions;
    };
    either = one: other: {
      name = "${one.name} or ${other.name}";
      check = value: one.check value || other.check value;
      merge =
        loc: definitions:
        if builtins.all (definition: one.check definition.value) definitions then
          one.merge loc definitions
        else
          other.merge loc definitions;
    };
    listOf = type: {
      name = "list of ${type.name}";
      check = builtins.isList;
      merge =
        loc: definitions:
        builtins.concatMap (
          { file, value }:
          map (
            element:
            inside loc "*" type [
              {
                inherit file;
                value = element;
              }
            ]
          ) value
        ) definitions;
    };
    attrsOf = attrs false;
    # Which names there are is known without looking at a value.
    lazyAttrsOf = attrs true;
    # A module that is evaluated elsewhere.
    deferredModule = {
      name = "module";
      check = value: builtins.isAttrs value || builtins.isFunction value || types.path.check value;
      merge = _: definitions: { imports = map (definition: definition.value) definitions; };
    };
    submodule = module: {
      name = "submodule";
      check = value: builtins.isAttrs value || builtins.isFunction value;
      merge =
        loc: definitions:
        (lib.evalModules {
          prefix = loc;
          specialArgs.name = lib.last loc;
          modules = [
            module
          ]
          ++ map (
            { file, value }:
            {
              _file = file;
            }
            // (if builtins.isFunction value then { imports = [ value ]; } else { config = value; })
          ) definitions;
        }).config;
    };
  };
in
types
