// The file of addresses, which may be lost or be anything: whatever is found in it is an address.
#include <string>

#include "backends/common/address_book.h"
#include "backends/common/resolver.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"

namespace roost::fuzz {

std::string CheckAddresses(std::string_view bytes) {
  const MemoryFile file(bytes);
  backends::AddressBook book(file.path());
  book.Load();
  Input input(bytes);
  while (!input.empty()) {
    Input words(input.TakeLine());
    const std::string address = book.Find(std::string(words.TakeUntil(' ')));
    if (!address.empty() && !backends::IsAddress(address)) return "a name for an address";
  }
  return "";
}

}  // namespace roost::fuzz
