#include "hdf5_parts.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace xpcs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGroup = "/entry/data";
constexpr const char* kDataset = "/entry/data/data";
/// More data files or virtual sources than this is damage.
constexpr std::size_t kPartsMax = 1'000'000;

bool link_exists(const h5::File& file, const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    if (H5Lexists(file.id(), path.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(file.id(), path.c_str(), H5P_DEFAULT) > 0;
}

/// "FILE, object PATH" of an external link; empty for any other.
std::string external_target(const h5::File& file, const std::string& path) {
  H5L_info_t info{};
  if (H5Lget_info(file.id(), path.c_str(), &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_EXTERNAL || info.u.val_size > 65536) return "";
  std::vector<char> value(info.u.val_size);
  const char* target = nullptr;
  const char* object = nullptr;
  if (H5Lget_val(file.id(), path.c_str(), value.data(), value.size(), H5P_DEFAULT) < 0) return "";
  if (H5Lunpack_elink_val(value.data(), value.size(), nullptr, &target, &object) < 0) return "";
  return std::string(target) + ", object " + object;
}

h5::Handle open_dataset(const h5::File& file, const std::string& path) {
  h5::Handle data(H5Dopen2(file.id(), path.c_str(), H5P_DEFAULT), H5Dclose);
  if (data.ok()) return data;
  const std::string target = external_target(file, path);
  if (!target.empty()) {
    throw Error(Code::not_found, path + " of " + file.path() + " is a link to the file " + target + ", which does not open: put that file beside " + file.path());
  }
  throw Error(Code::corrupt_data, path + " in " + file.path() + " does not open as a dataset");
}

struct Box {
  std::uint64_t first = 0;
  std::uint64_t frames = 0;
};

/// The selection as a run of whole frames of `rows` x `columns`; nothing when it is anything else.
std::optional<Box> whole_frames(const h5::Handle& space, hsize_t rows, hsize_t columns) {
  std::array<hsize_t, 3> start{};
  std::array<hsize_t, 3> end{};
  if (!space.ok() || H5Sget_simple_extent_ndims(space.id()) != 3 || H5Sget_select_bounds(space.id(), start.data(), end.data()) < 0) return std::nullopt;
  if (start[1] != 0 || start[2] != 0 || end[1] + 1 != rows || end[2] + 1 != columns || end[0] < start[0]) return std::nullopt;
  const Box box{start[0], end[0] - start[0] + 1};
  const hssize_t points = H5Sget_select_npoints(space.id());
  if (points < 0 || static_cast<hsize_t>(points) != box.frames * rows * columns) return std::nullopt;
  return box;
}

template <class Get>
std::string virtual_text(Get get) {
  const ssize_t length = get(nullptr, 0);
  if (length < 0 || length > 65536) return "";
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  get(text.data(), text.size());
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// The sources as runs of frames that tile the virtual dataset; nothing when only HDF5 can put it together.
std::optional<std::vector<Hdf5Part>> virtual_parts(const h5::File& master, const h5::Handle& creation, const std::vector<hsize_t>& shape) {
  std::size_t count = 0;
  if (H5Pget_virtual_count(creation.id(), &count) < 0 || count == 0 || count > kPartsMax || shape.size() != 3) return std::nullopt;
  struct Run {
    std::uint64_t first;
    Hdf5Part part;
  };
  std::vector<Run> runs;
  bool simple = true;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [named, dataset] = hdf5_virtual_source(creation, i);
    if (named.find('%') != std::string::npos || dataset.find('%') != std::string::npos) {  // a pattern over block numbers
      simple = false;
      continue;
    }
    const std::string path = hdf5_source_path(named, master.path());
    const auto at = whole_frames(h5::Handle(H5Pget_virtual_vspace(creation.id(), i), H5Sclose), shape[1], shape[2]);
    const auto from = whole_frames(h5::Handle(H5Pget_virtual_srcspace(creation.id(), i), H5Sclose), shape[1], shape[2]);
    if (at && from && at->frames == from->frames) {
      runs.push_back({at->first, {path, dataset, from->first, from->frames}});
    } else {
      simple = false;
    }
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  std::vector<Hdf5Part> parts;
  std::uint64_t next = 0;
  for (Run& run : runs) {
    simple = simple && run.first == next;
    next = run.first + run.part.frames;
    parts.push_back(std::move(run.part));
  }
  if (!simple || next != shape[0]) return std::nullopt;
  return parts;
}

std::vector<Hdf5Part> parts_of_dataset(const h5::File& master) {
  const h5::Handle data = open_dataset(master, kDataset);
  const h5::Handle creation(H5Dget_create_plist(data.id()), H5Pclose);
  if (H5Pget_layout(creation.id()) == H5D_VIRTUAL) {
    if (auto parts = virtual_parts(master, creation, master.shape(kDataset))) return *std::move(parts);
  }
  return {{master.path(), kDataset, 0, 0}};
}

std::string data_file_name(std::size_t number) {
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "%s/data_%06zu", kGroup, number);
  return name.data();
}

}  // namespace

std::pair<std::string, std::string> hdf5_virtual_source(const h5::Handle& creation, std::size_t i) {
  return {virtual_text([&](char* into, std::size_t n) { return H5Pget_virtual_filename(creation.id(), i, into, n); }),
          virtual_text([&](char* into, std::size_t n) { return H5Pget_virtual_dsetname(creation.id(), i, into, n); })};
}

std::string hdf5_source_path(const std::string& name, const std::string& master) {
  if (name == ".") return master;
  const fs::path folder = fs::path(master).parent_path();
  for (const fs::path& path : {fs::path(name).is_absolute() ? fs::path(name) : folder / name, folder / fs::path(name).filename()}) {
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  throw Error(Code::not_found, std::string(kDataset) + " of " + master + " takes frames from the file " + name + ", which is missing: put it beside " + master);
}

std::vector<Hdf5Part> find_hdf5_parts(const h5::File& master) {
  if (link_exists(master, kDataset)) return parts_of_dataset(master);
  std::vector<Hdf5Part> parts;
  // Eiger masters number from 1, some converters from 0.
  for (std::size_t number = link_exists(master, data_file_name(0)) ? 0 : 1; link_exists(master, data_file_name(number)); ++number) {
    if (number > kPartsMax) throw Error(Code::corrupt_data, std::string(kGroup) + " in " + master.path() + " names more than a million data files");
    open_dataset(master, data_file_name(number));
    parts.push_back({master.path(), data_file_name(number), 0, 0});
  }
  if (parts.empty()) {
    throw Error(Code::unsupported, master.path() + " has neither a dataset " + kDataset + " nor " + data_file_name(1) + ", where the frames are expected");
  }
  hsize_t links = 0;
  const h5::Handle group(H5Gopen2(master.id(), kGroup, H5P_DEFAULT), H5Gclose);
  H5G_info_t info{};
  if (group.ok() && H5Gget_info(group.id(), &info) >= 0) links = info.nlinks;
  for (hsize_t i = 0; i < std::min<hsize_t>(links, kPartsMax); ++i) {  // a number left out would shift all frames behind it
    std::array<char, 64> name{};
    H5Lget_name_by_idx(group.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT);
    std::size_t number = 0;
    if (std::sscanf(name.data(), "data_%zu", &number) == 1 && number > parts.size()) {
      throw Error(Code::corrupt_data, std::string(kGroup) + " in " + master.path() + " has " + name.data() + " but not " + data_file_name(parts.size() + 1) +
                                          ": the numbers of the data files have a gap");
    }
  }
  return parts;
}

}  // namespace xpcs
