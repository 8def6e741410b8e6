rec {
  boolToString = value: if value then "true" else "false";
  optionalString = condition: text: if condition then text else "";
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      start = builtins.stringLength text - builtins.stringLength suffix;
    in
    start >= 0 && builtins.substring start (-1) text == suffix;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
    else
      text;
  hasInfix = part: text: builtins.length (builtins.split (escape part) text) > 1;
  # A pattern that is the text.
  escape = text: builtins.replaceStrings [ "." "?" "+" "*" ] [ "\\." "\\?" "\\+" "\\*" ] text;
  showOption = builtins.concatStringsSep ".";
}
