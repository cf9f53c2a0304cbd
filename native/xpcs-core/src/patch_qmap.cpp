#include "xpcs/patch_qmap.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "h5/h5.hpp"
#include "partial_file.hpp"

namespace xpcs {
namespace {

/// Row-major pixels of the blemishes.
std::vector<std::size_t> blemishes(const h5::File& file) {
  if (!file.has("/leverage/blemish")) {
    throw Error(Code::invalid_argument, file.path() + " has no table of pixels (/leverage): correlate with --leverage");
  }
  const auto shape = file.shape("/xpcs/qmap/mask");
  const auto places = file.wholes("/leverage/pixel");
  const auto flags = file.integers("/leverage/blemish");
  const auto wrong = [&] { return Error(Code::corrupt_data, "/leverage in " + file.path() + " contradicts itself: the file is damaged"); };
  if (shape.size() != 2 || places.size() != 2 * flags.size()) throw wrong();
  std::vector<std::size_t> pixels;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const auto row = static_cast<std::uint64_t>(places[2 * i]);
    const auto column = static_cast<std::uint64_t>(places[2 * i + 1]);
    if (row >= shape[0] || column >= shape[1]) throw wrong();
    if (flags[i] != 0) pixels.push_back(row * shape[1] + column);
  }
  return pixels;
}

/// FNV-1a over the pixels: another name for another mask, because viewers cache q-maps by it.
std::string name_of(const std::vector<std::size_t>& pixels) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const std::size_t pixel : pixels) {
    for (int byte = 0; byte < 8; ++byte) hash = (hash ^ (std::uint64_t{pixel} >> (8 * byte) & 0xFF)) * 1099511628211ULL;
  }
  char text[32];
  std::snprintf(text, sizeof text, "fnv1a-%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace

std::size_t patch_qmap(const std::string& result, const std::string& out, bool overwrite) {
  std::error_code none;
  if (std::filesystem::equivalent(result, out, none)) throw Error(Code::invalid_argument, "the q-map " + out + " would replace the result that it comes from; name another file");
  if (!overwrite && std::filesystem::exists(out)) throw Error(Code::already_exists, "the output " + out + " exists; --overwrite replaces it");
  const h5::File from = h5::File::open(result);
  const std::vector<std::size_t> pixels = blemishes(from);
  PartialFile partial(out);
  {
    h5::File to = h5::File::create(partial.path());
    to.copy_from(from, "/xpcs/qmap", "/qmap");
    for (const char* map : {"/qmap/mask", "/qmap/blemish", "/qmap/dynamic_roi_map", "/qmap/static_roi_map"}) {
      if (to.has(map)) to.zero_elements(map, pixels);
    }
    if (!pixels.empty()) to.write_attribute("/qmap", "hash", from.text_attribute("/xpcs/qmap", "hash").value_or("") + "-without-" + name_of(pixels));
    to.flush();
  }
  partial.publish(overwrite);
  return pixels.size();
}

}  // namespace xpcs
