// roost_fuzz --target=NAME [libFuzzer's options] [CORPUS...]: makes up inputs for one target until one
// is wrong. Built by the preset asan-ubsan.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/targets.h"

namespace {

const roost::fuzz::Target* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** words) {
  constexpr char kFlag[] = "--target=";
  for (int i = 1; i < *count; ++i) {
    const char* const word = (*words)[i];
    if (std::strncmp(word, kFlag, std::strlen(kFlag)) != 0) continue;
    for (const roost::fuzz::Target& target : roost::fuzz::Targets()) {
      if (target.name == word + std::strlen(kFlag)) chosen = &target;
    }
  }
  if (chosen == nullptr) {
    std::fprintf(stderr, "say --target=NAME; there are:\n");
    for (const roost::fuzz::Target& target : roost::fuzz::Targets()) {
      std::fprintf(stderr, "  %s\n", target.name.data());
    }
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string wrong = chosen->check({reinterpret_cast<const char*>(bytes), size});
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s: %s\n", chosen->name.data(), wrong.c_str());
  std::abort();
}
