#include "time_text.hpp"

#include <sys/stat.h>

#include <ctime>

namespace xpcs {
namespace {

std::string text(std::time_t seconds) {
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char out[32];
  return {out, std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

std::string now_text() { return text(std::time(nullptr)); }

std::string modified_time_text(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? text(facts.st_mtime) : std::string{};
}

}  // namespace xpcs
