// Reading side and file handling of h5.hpp; writing is in h5_write.cpp.
#include "h5.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "lzf.hpp"

namespace xpcs::h5 {

void initialize() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  register_lzf();
}

File File::open(const std::string& path) { return open_by(path, H5F_ACC_RDONLY, H5P_DEFAULT); }

File File::follow(const std::string& path, bool swmr) {
  initialize();
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
#if H5_VERSION_GE(1, 10, 7)
  H5Pset_file_locking(access.id(), false, true);
#endif
  return open_by(path, swmr ? H5F_ACC_RDONLY | H5F_ACC_SWMR_READ : H5F_ACC_RDONLY, access.id());
}

File File::open_by(const std::string& path, unsigned flags, hid_t access) {
  initialize();
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) throw Error(Code::not_found, "cannot open " + path + ": " + std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) throw Error(Code::invalid_argument, path + " is not a regular file");
  Handle handle(H5Fopen(path.c_str(), flags, access), H5Fclose);
  if (!handle.ok()) {
    throw Error(Code::corrupt_data, path + " (" + std::to_string(facts.st_size) + " bytes) does not open as HDF5: it is another format, truncated, or still being written");
  }
  return {std::move(handle), path};
}

bool File::has(const std::string& object) const {
  // H5Lexists needs every group above to exist.
  for (std::size_t at = object.find('/', 1); at != std::string::npos; at = object.find('/', at + 1)) {
    if (H5Lexists(id(), object.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  if (object == "/") return true;
  return H5Lexists(id(), object.c_str(), H5P_DEFAULT) > 0 && H5Oexists_by_name(id(), object.c_str(), H5P_DEFAULT) > 0;
}

Handle File::dataset(const std::string& name) const {
  if (!has(name)) throw Error(Code::not_found, path_ + " has no dataset " + name);
  Handle handle(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!handle.ok()) throw Error(Code::corrupt_data, name + " in " + path_ + " is not a dataset");
  return handle;
}

std::vector<hsize_t> File::shape(const std::string& name) const {
  const Handle data = dataset(name);
  const Handle space(H5Dget_space(data.id()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr);
  return extents;
}

namespace {

// A map or list larger than this is damage, not data.
constexpr hsize_t kElementsMax = hsize_t{1} << 31;

template <class T>
std::vector<T> read_all(const Handle& data, hid_t memoryType, const std::string& name, const std::string& path) {
  const Handle space(H5Dget_space(data.id()), H5Sclose);
  const hssize_t n = H5Sget_simple_extent_npoints(space.id());
  const Handle type(H5Dget_type(data.id()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM) throw Error(Code::corrupt_data, name + " in " + path + " does not hold numbers");
  if (n < 0 || static_cast<hsize_t>(n) > kElementsMax) throw Error(Code::corrupt_data, name + " in " + path + " has an absurd size");
  std::vector<T> values(static_cast<std::size_t>(n));
  if (kind == H5T_ENUM) {  // h5py's bool: read through its integer base
    std::vector<signed char> raw(values.size());
    if (H5Tget_size(type.id()) != 1 || H5Dread(data.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) {
      throw Error(Code::corrupt_data, name + " in " + path + " cannot be read as a mask");
    }
    for (std::size_t i = 0; i < raw.size(); ++i) values[i] = static_cast<T>(raw[i]);
    return values;
  }
  if (n > 0 && H5Dread(data.id(), memoryType, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    throw Error(Code::corrupt_data, name + " in " + path + " cannot be read (damaged, or compressed with a filter that is not installed)");
  }
  return values;
}

}  // namespace

std::vector<double> File::doubles(const std::string& name) const { return read_all<double>(dataset(name), H5T_NATIVE_DOUBLE, name, path_); }

std::vector<std::int32_t> File::integers(const std::string& name) const {
  return read_all<std::int32_t>(dataset(name), H5T_NATIVE_INT32, name, path_);
}

std::vector<std::int64_t> File::wholes(const std::string& name) const {
  return read_all<std::int64_t>(dataset(name), H5T_NATIVE_INT64, name, path_);
}

std::optional<double> File::number(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  const std::vector<double> values = doubles(name);
  if (values.size() != 1) throw Error(Code::corrupt_data, name + " in " + path_ + " should hold one number, it holds " + std::to_string(values.size()));
  return values[0];
}

namespace {

std::string read_text(hid_t object, hid_t typeId, hid_t spaceId, bool attribute) {
  if (H5Tis_variable_str(typeId) > 0) {
    const hssize_t n = H5Sget_simple_extent_npoints(spaceId);
    std::vector<char*> raw(static_cast<std::size_t>(std::max<hssize_t>(n, 1)), nullptr);
    const Handle memory(H5Tcopy(typeId), H5Tclose);
    const herr_t got = attribute ? H5Aread(object, memory.id(), raw.data()) : H5Dread(object, memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data());
    std::string value = got >= 0 && raw[0] != nullptr ? raw[0] : "";
    if (got >= 0) H5Dvlen_reclaim(memory.id(), spaceId, H5P_DEFAULT, raw.data());
    return value;
  }
  const std::size_t size = H5Tget_size(typeId);
  const hssize_t n = H5Sget_simple_extent_npoints(spaceId);
  if (n < 1 || size > (1u << 20) || n > 4096) return "";
  std::string raw(size * static_cast<std::size_t>(n), '\0');
  const herr_t got = attribute ? H5Aread(object, typeId, raw.data()) : H5Dread(object, typeId, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data());
  if (got < 0) return "";
  raw.resize(size);
  raw.resize(std::strlen(raw.c_str()));
  while (!raw.empty() && raw.back() == ' ') raw.pop_back();
  return raw;
}

}  // namespace

std::optional<std::string> File::text(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  const Handle data = dataset(name);
  const Handle type(H5Dget_type(data.id()), H5Tclose);
  if (H5Tget_class(type.id()) != H5T_STRING) throw Error(Code::corrupt_data, name + " in " + path_ + " should be a string");
  const Handle space(H5Dget_space(data.id()), H5Sclose);
  return read_text(data.id(), type.id(), space.id(), false);
}

std::optional<std::string> File::text_attribute(const std::string& object, const std::string& name) const {
  if (!has(object) || H5Aexists_by_name(id(), object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return std::nullopt;
  const Handle attribute(H5Aopen_by_name(id(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  if (!attribute.ok() || H5Tget_class(type.id()) != H5T_STRING) return std::nullopt;
  const Handle space(H5Aget_space(attribute.id()), H5Sclose);
  return read_text(attribute.id(), type.id(), space.id(), true);
}

}  // namespace xpcs::h5
