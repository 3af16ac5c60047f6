#include "tests/contract/subject.h"

namespace roost::contract {

std::vector<SubjectKind> SubjectsThat(uint32_t abilities) {
  std::vector<SubjectKind> able;
  for (SubjectKind& kind : AllSubjects()) {
    if ((kind.abilities & abilities) == abilities) able.push_back(std::move(kind));
  }
  return able;
}

}  // namespace roost::contract
