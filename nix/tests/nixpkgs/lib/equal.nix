# Several definitions that are to be the same.
loc: definitions:
let
  first = builtins.head definitions;
  other = builtins.filter (definition: definition.value != first.value) definitions;
in
if other == [ ] then
  first.value
else
  throw "The option `${builtins.concatStringsSep "." loc}' has conflicting definitions, in ${first.file} and in ${(builtins.head other).file}"
