// Makes fields of a configuration object from a member, its type and its description.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "config/fields.h"

namespace walden {

// The place of a field in its owner: a member, or a member of a section.
template <typename Owner, typename T>
auto Accessor(T Owner::*member) {
  return [member](auto& owner) -> auto& { return owner.*member; };
}

template <typename Owner, typename Section, typename T>
auto Accessor(Section Owner::*section, T Section::*member) {
  return [ section, member ](auto& owner) -> auto& { return owner.*section.*member; };
}

template <typename Owner, typename Section, typename Inner, typename T>
auto Accessor(Section Owner::*section, Inner Section::*inner, T Inner::*member) {
  return [ section, inner, member ](auto& owner) -> auto& { return owner.*section.*inner.*member; };
}

template <typename Owner, typename Member, typename Type>
Field<Owner> One(absl::string_view key, Member member, Type type, absl::string_view doc) {
  Field<Owner> field;
  field.key = std::string(key);
  field.doc = std::string(doc);
  field.allowed = type.Allowed();
  field.set = [member, type](Owner& owner, absl::string_view text) -> absl::Status {
    auto value = type.Parse(text);
    if (!value.ok()) return value.status();
    member(owner) = *std::move(value);
    return absl::OkStatus();
  };
  field.get = [member, type](const Owner& owner) {
    return std::vector<std::string>{type.Format(member(owner))};
  };
  return field;
}

template <typename Owner, typename Member, typename Type>
Field<Owner> Many(absl::string_view key, Member member, Type type, absl::string_view doc) {
  Field<Owner> field;
  field.key = std::string(key);
  field.doc = std::string(doc);
  field.allowed = type.Allowed();
  field.is_list = true;
  field.set = [member, type](Owner& owner, absl::string_view text) -> absl::Status {
    auto value = type.Parse(text);
    if (!value.ok()) return value.status();
    member(owner).push_back(*std::move(value));
    return absl::OkStatus();
  };
  field.get = [member, type](const Owner& owner) {
    std::vector<std::string> items;
    for (const auto& item : member(owner)) items.push_back(type.Format(item));
    return items;
  };
  field.clear = [member](Owner& owner) { member(owner).clear(); };
  return field;
}

template <typename Owner>
Field<Owner> Required(Field<Owner> field) {
  field.is_required = true;
  return field;
}

template <typename Owner>
Field<Owner> Reloads(Field<Owner> field) {
  field.reloads = true;
  return field;
}

}  // namespace walden
