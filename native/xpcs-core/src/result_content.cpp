#include "xpcs/result_content.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "h5/h5.hpp"

namespace xpcs {
namespace {

using Take = std::function<void(std::span<const std::uint8_t>)>;

/// Values that are in memory at a time, unless one row has more.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20U;
/// More levels of groups than any result has.
constexpr int kDepthMax = 32;
constexpr std::string_view kProvenance = "provenance";

[[noreturn]] void fail(const h5::File& file, const std::string& dataset, const char* what) {
  throw Error(Code::corrupt_data, file.path() + ": " + dataset + " " + what);
}

/// "int 8", "float 4", "unsigned 1"; empty for what is no number.
std::string type_name(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return {};
  const char* name = kind == H5T_FLOAT ? "float" : H5Tget_sign(type) == H5T_SGN_NONE ? "unsigned" : "int";
  return std::string(name) + " " + std::to_string(H5Tget_size(type));
}

void read_rows(const h5::File& file, const std::string& name, hid_t dataset, hid_t type, const std::vector<hsize_t>& shape, const Take& take) {
  const std::size_t size = H5Tget_size(type);
  std::size_t rowBytes = size;
  for (std::size_t i = 1; i < shape.size(); ++i) rowBytes *= shape[i];
  if (rowBytes == 0) return;
  const hsize_t rows = shape.empty() ? 1 : shape[0];
  const hsize_t step = std::max<hsize_t>(1, kPieceBytes / rowBytes);
  std::vector<std::uint8_t> piece;
  const h5::Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<hsize_t> from(shape.size(), 0);
  std::vector<hsize_t> count = shape;
  for (hsize_t row = 0; row < rows; row += step) {
    const hsize_t some = std::min(step, rows - row);
    piece.resize(some * rowBytes);
    herr_t done = 0;
    if (shape.empty()) {
      done = H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, piece.data());
    } else {
      from[0] = row;
      count[0] = some;
      const h5::Handle memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose);
      if (!memory.ok() || H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, from.data(), nullptr, count.data(), nullptr) < 0) fail(file, name, "cannot be read");
      done = H5Dread(dataset, type, memory.id(), space.id(), H5P_DEFAULT, piece.data());
    }
    if (done < 0) fail(file, name, "cannot be read");
    take(piece);
  }
}

void read_dataset(const h5::File& file, const std::string& name, hid_t dataset, const Take& take) {
  const h5::Handle stored(H5Dget_type(dataset), H5Tclose);
  const std::string type = stored.ok() ? type_name(stored.id()) : "";
  if (type.empty()) return;
  const h5::Handle native(H5Tget_native_type(stored.id(), H5T_DIR_ASCEND), H5Tclose);
  if (!native.ok()) fail(file, name, "has a type that cannot be read");
  const std::vector<hsize_t> shape = file.shape(name);
  std::string head = name + " " + type;
  for (const hsize_t extent : shape) head.append(" ").append(std::to_string(extent));
  head += "\n";
  take({reinterpret_cast<const std::uint8_t*>(head.data()), head.size()});
  read_rows(file, name, dataset, native.id(), shape, take);
}

void read_group(const h5::File& file, const std::string& group, int depth, const Take& take) {
  if (depth > kDepthMax) fail(file, group, "has too many levels of groups");
  std::vector<std::string> names = file.names(group);
  std::sort(names.begin(), names.end());
  for (const std::string& member : names) {
    if (member == kProvenance) continue;
    const std::string path = (group == "/" ? "" : group) + "/" + member;
    const h5::Handle object(H5Oopen(file.id(), path.c_str(), H5P_DEFAULT), H5Oclose);
    if (!object.ok()) fail(file, path, "cannot be opened");
    if (H5Iget_type(object.id()) == H5I_GROUP) read_group(file, path, depth + 1, take);
    else if (H5Iget_type(object.id()) == H5I_DATASET) read_dataset(file, path, object.id(), take);
  }
}

}  // namespace

void read_result_content(const std::string& path, const Take& take) { read_group(h5::File::open(path), "/", 0, take); }

}  // namespace xpcs
