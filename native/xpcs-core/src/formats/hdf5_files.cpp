#include "hdf5_files.hpp"

#include <algorithm>
#include <filesystem>

#include "hdf5_parts.hpp"

namespace xpcs {
namespace {

/// Virtual datasets of virtual datasets: more levels than this is a loop.
constexpr int kDepthMax = 8;
/// Blocks of one file name pattern.
constexpr std::size_t kBlocksMax = 1'000'000;

std::string file_of(hid_t object) {
  const ssize_t length = H5Fget_name(object, nullptr, 0);
  std::string name(length > 0 ? static_cast<std::size_t>(length) + 1 : 1, '\0');
  H5Fget_name(object, name.data(), name.size());
  name.pop_back();
  return name;
}

class Files {
 public:
  explicit Files(std::string master) { add(std::move(master)); }

  /// The file that holds the dataset, and those behind it.
  void follow(const std::string& file, const std::string& path, int depth) {
    if (depth > kDepthMax) throw Error(Code::corrupt_data, path + " of " + file + " is a virtual dataset of virtual datasets without an end");
    const h5::File from = h5::File::open(file);
    const h5::Handle data(H5Dopen2(from.id(), path.c_str(), H5P_DEFAULT), H5Dclose);
    if (!data.ok()) throw Error(Code::corrupt_data, path + " in " + file + " does not open as a dataset");
    const std::string holder = file_of(data.id());
    add(holder);
    const h5::Handle creation(H5Dget_create_plist(data.id()), H5Pclose);
    std::size_t count = 0;
    if (H5Pget_layout(creation.id()) != H5D_VIRTUAL || H5Pget_virtual_count(creation.id(), &count) < 0) return;
    for (std::size_t i = 0; i < count; ++i) {
      const auto [named, dataset] = hdf5_virtual_source(creation, i);
      for (const auto& source : sources(named, holder)) {
        // Behind a pattern of datasets stand many of one file: the file is what counts here.
        if (dataset.find('%') == std::string::npos) follow(source, dataset, depth + 1);
        else add(source);
      }
    }
  }

  std::vector<std::string> take() { return std::move(files_); }

 private:
  void add(std::string file) {
    file = std::filesystem::absolute(file).lexically_normal().string();
    if (std::find(files_.begin(), files_.end(), file) == files_.end()) files_.push_back(std::move(file));
  }

  /// The files of a name, which may be a pattern over block numbers (%b): those from 0 on that are there.
  static std::vector<std::string> sources(const std::string& name, const std::string& master) {
    const std::size_t at = name.find("%b");
    if (at == std::string::npos) return {hdf5_source_path(name, master)};
    std::vector<std::string> found;
    for (std::size_t block = 0; block < kBlocksMax; ++block) {
      std::string one = name;
      one.replace(at, 2, std::to_string(block));
      try {
        found.push_back(hdf5_source_path(one, master));
      } catch (const Error&) {
        if (block > 0) break;
        throw;
      }
    }
    return found;
  }

  std::vector<std::string> files_;
};

}  // namespace

std::vector<std::string> hdf5_files(const std::string& master) {
  std::vector<Hdf5Part> parts;
  {
    const h5::File file = h5::File::open(master);
    parts = find_hdf5_parts(file);
  }
  Files files(master);
  for (const Hdf5Part& part : parts) files.follow(part.file, part.dataset, 0);
  return files.take();
}

}  // namespace xpcs
