#include "hdf5_references.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "../h5/h5.hpp"
#include "hdf5_parts.hpp"

namespace xpcs {
namespace {

namespace fs = std::filesystem;

/// More than this is damage.
constexpr std::size_t kNamesMax = 1'000'000;
/// HDF5 puts the folders that these name in front of names, for links, virtual sources and raw storage.
constexpr std::array<const char*, 3> kPrefixes = {"HDF5_EXT_PREFIX", "HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX"};

/// The names of files as they are written in the file.
struct Names {
  std::set<std::string> whole;
  /// With %b for the number of a block.
  std::set<std::string> patterns;
  bool failed = false;

  void add(const std::string& name) {
    if (name != ".") whole.insert(name);
    if (whole.size() + patterns.size() > kNamesMax) failed = true;
  }
  void add_source(const std::string& name) {
    if (name.find('%') == std::string::npos) return add(name);
    patterns.insert(name);
    if (whole.size() + patterns.size() > kNamesMax) failed = true;
  }
};

void names_of_dataset(hid_t dataset, Names& names) {
  const h5::Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  if (!creation.ok()) {
    names.failed = true;
    return;
  }
  std::size_t sources = 0;
  if (H5Pget_layout(creation.id()) == H5D_VIRTUAL && H5Pget_virtual_count(creation.id(), &sources) >= 0) {
    for (std::size_t i = 0; i < sources && !names.failed; ++i) names.add_source(hdf5_virtual_source(creation, i).first);
  }
  const int stored = H5Pget_external_count(creation.id());
  for (int i = 0; i < stored && !names.failed; ++i) {
    std::array<char, 65536> name{};
    off_t offset = 0;
    hsize_t size = 0;
    if (H5Pget_external(creation.id(), static_cast<unsigned>(i), name.size() - 1, name.data(), &offset, &size) < 0) names.failed = true;
    else names.add(name.data());
  }
}

void name_of_link(hid_t group, const char* link, std::size_t bytes, Names& names) {
  std::vector<char> value(bytes);
  const char* file = nullptr;
  const char* object = nullptr;
  if (H5Lget_val(group, link, value.data(), value.size(), H5P_DEFAULT) < 0 || H5Lunpack_elink_val(value.data(), value.size(), nullptr, &file, &object) < 0) {
    names.failed = true;
  } else {
    names.add(file);
  }
}

/// One link of the walk; `into` is the Names. Nothing may be thrown through HDF5.
herr_t visit(hid_t group, const char* link, const H5L_info_t* info, void* into) noexcept {
  Names& names = *static_cast<Names*>(into);
  try {
    if (info->type == H5L_TYPE_EXTERNAL) {
      name_of_link(group, link, info->u.val_size, names);
    } else if (info->type == H5L_TYPE_HARD) {
      const h5::Handle object(H5Oopen(group, link, H5P_DEFAULT), H5Oclose);
      // What does not open cannot be read either.
      if (object.ok() && H5Iget_type(object.id()) == H5I_DATASET) names_of_dataset(object.id(), names);
    }
  } catch (...) {
    names.failed = true;
  }
  return names.failed ? -1 : 0;
}

/// Where HDF5 looks for a name: beside the file, beside what it is a link to, in the working folder, and in those of the environment.
std::vector<fs::path> folders_of(const fs::path& file) {
  const auto folder = fs::absolute(file).parent_path();
  std::vector<fs::path> folders{folder};
  std::error_code ignored;
  const fs::path real = fs::canonical(file, ignored);
  if (!real.empty()) folders.push_back(real.parent_path());
  folders.push_back(fs::current_path());
  for (const char* variable : kPrefixes) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    // Some are one folder, others a list of them.
    std::vector<std::string> prefixes{value};
    std::istringstream list(value);
    for (std::string one; std::getline(list, one, ':');) prefixes.push_back(one);
    for (std::string& prefix : prefixes) {
      if (prefix.empty()) continue;
      if (prefix.starts_with("${ORIGIN}")) prefix.replace(0, 9, folder.string());
      folders.push_back(fs::absolute(prefix));
    }
  }
  return folders;
}

/// Stands for a number: no name of a file has it.
constexpr char kNumber = '\0';

/// A pattern's characters, with kNumber for %b and a percent sign for %%.
std::string characters_of(std::string_view pattern) {
  std::string characters;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char next = pattern[at] == '%' && at + 1 < pattern.size() ? pattern[at + 1] : '\0';
    if (next == 'b' || next == '%') ++at;
    characters += next == 'b' ? kNumber : pattern[at];
  }
  return characters;
}

/// Whether a name is one of a pattern's. Takes time by the product of both lengths, whatever is in them.
bool fits(std::string_view characters, std::string_view name) {
  // Of each length: that much of the name fits what was read of the pattern.
  std::vector<char> before(name.size() + 1);
  before[0] = 1;
  for (const char character : characters) {
    std::vector<char> after(name.size() + 1);
    for (std::size_t length = 0; length < name.size(); ++length) {
      const char c = name[length];
      after[length + 1] = character == kNumber ? c >= '0' && c <= '9' && (before[length] != 0 || after[length] != 0) : c == character && before[length] != 0;
    }
    before.swap(after);
  }
  return before.back() != 0;
}

class Places {
 public:
  explicit Places(const std::string& file) : folders_(folders_of(file)) {}

  void add(const std::string& name) {
    const fs::path path(name);
    bool found = false;
    // Of an absolute path that does not open HDF5 takes the last part and looks for that.
    if (path.is_absolute()) found = enter(path);
    for (const fs::path& folder : folders_) found = enter(folder / (path.is_absolute() ? path.filename() : path)) || found;
    if (path.is_absolute() || !found) places_.insert((path.is_absolute() ? path : folders_.front() / path).lexically_normal().string());
  }

  /// Everything that is there and fits the pattern.
  void add_pattern(const std::string& pattern) {
    const fs::path path(pattern);
    if (path.parent_path().string().find('%') != std::string::npos)
      throw Error(Code::unsupported, "a virtual dataset has sources in folders with numbers: " + pattern);
    const std::string names = characters_of(path.filename().string());
    for (const fs::path& folder : folders_) {
      std::error_code failed;
      for (const auto& entry : fs::directory_iterator(path.is_absolute() ? path.parent_path() : folder / path.parent_path(), failed)) {
        if (fits(names, entry.path().filename().string())) enter(entry.path());
      }
    }
    std::string first = characters_of(pattern);
    std::ranges::replace(first, kNumber, '0');
    add(first);
  }

  [[nodiscard]] std::vector<std::string> take() const { return {places_.begin(), places_.end()}; }

 private:
  /// What is there, under its own name in the real place of its folder.
  bool enter(const fs::path& path) {
    std::error_code failed;
    if (!fs::exists(fs::symlink_status(path, failed))) return false;
    const fs::path folder = fs::canonical(path.parent_path(), failed);
    if (failed) return false;
    places_.insert((folder / path.filename()).string());
    return true;
  }

  std::vector<fs::path> folders_;
  std::set<std::string> places_;
};

}  // namespace

std::vector<std::string> hdf5_references(const std::string& path) {
  h5::initialize();
  std::error_code failed;
  if (!fs::is_regular_file(path, failed) || H5Fis_hdf5(path.c_str()) <= 0) return {};
  Names names;
  {
    const h5::File file = h5::File::open(path);
    if (H5Lvisit(file.id(), H5_INDEX_NAME, H5_ITER_NATIVE, visit, &names) < 0 || names.failed) {
      throw Error(Code::corrupt_data, path + ": what it refers to cannot be found out");
    }
  }
  Places places(path);
  for (const std::string& name : names.whole) places.add(name);
  for (const std::string& pattern : names.patterns) places.add_pattern(pattern);
  return places.take();
}

}  // namespace xpcs
