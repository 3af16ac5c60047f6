// tests/support/precompiled.h - what most tests include, compiled once a build instead of once a file.
//
// No header of ours: each edit of one would compile all tests anew. A test includes what it uses all
// the same: without ROOST_PCH there is no other way for it.
#ifndef ROOST_TESTS_SUPPORT_PRECOMPILED_H_
#define ROOST_TESTS_SUPPORT_PRECOMPILED_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#endif  // ROOST_TESTS_SUPPORT_PRECOMPILED_H_
