// Times as ISO 8601 UTC text.
#pragma once
#include <string>

namespace xpcs {

std::string now_text();
/// Time of last modification of a file; empty when it cannot be told.
std::string modified_time_text(const std::string& path);

}  // namespace xpcs
